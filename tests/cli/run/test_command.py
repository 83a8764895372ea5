"""`run`: the command's input, output and exit status, and what prevents it from running."""

import json
from concurrent.futures import ThreadPoolExecutor

import pexpect
import pytest
from support.commands import Person
from support.running import CLIENT

from codex_transform.sandbox import Sandbox


def test_a_client_gets_its_answer_from_the_endpoint(ready: Person, sandbox: Sandbox) -> None:
    done = ready.run("run", *CLIENT)
    assert done.returncode == 0, done.stderr + ready.logs
    assert "[sandbox]" in json.dumps(json.loads(done.stdout)["output"])
    assert not done.stderr
    assert len(sandbox.requests) == 1
    assert sandbox.key not in ready.logs
    assert not ready.leftovers()
    assert not list(ready.temporary.iterdir())


def test_the_owners_command_needs_no_client_key(ready: Person) -> None:
    assert ready.run("clients", "add", "alice").returncode == 0
    done = ready.run("run", *CLIENT)
    assert done.returncode == 0, done.stderr + ready.logs
    assert "[sandbox]" in done.stdout


@pytest.mark.parametrize(("status", "dashes"), [(0, []), (7, ["--"])])
def test_the_exit_status_is_the_commands(status: int, dashes: list[str], ready: Person) -> None:
    assert ready.run("run", *dashes, "sh", "-c", f"exit {status}").returncode == status


def test_the_exit_status_of_a_command_that_a_signal_ended_is_that_of_shells(ready: Person) -> None:
    assert ready.run("run", "sh", "-c", "kill -9 $$").returncode == 128 + 9


def test_options_after_the_command_belong_to_it(ready: Person) -> None:
    assert ready.run("run", "echo", "--web", "--help", "-x").stdout == "--web --help -x\n"


def test_standard_input_and_output_are_the_commands(ready: Person) -> None:
    text = "".join(f"{number}\n" for number in range(700_000))
    done = ready.run("run", "cat", stdin=text)
    assert done.stdout == text
    assert done.stderr.startswith("codex-transform: no request came through the proxy")


def test_first_starts_at_the_same_time_work(ready: Person) -> None:
    """Each proxy creates a CA; every command must trust the one that its proxy uses."""
    with ThreadPoolExecutor() as pool:
        for done in pool.map(lambda _: ready.run("run", *CLIENT), range(3)):
            assert done.returncode == 0, done.stderr + ready.logs
            assert "[sandbox]" in done.stdout


# Errors


def test_an_unknown_command_has_status_127(ready: Person) -> None:
    done = ready.run("run", "no-such-command")
    assert done.returncode == 127
    assert "no-such-command is not found" in done.stderr
    assert not ready.leftovers()


def test_a_command_that_is_not_executable_has_status_126(ready: Person) -> None:
    file = ready.project / "file"
    file.write_text("not a program")
    for fix in (
        "./file is not an executable program. Fix: run `chmod +x`",
        "Fix: begin it with a line such as #!/bin/sh",
    ):
        done = ready.run("run", "./file")
        assert done.returncode == 126
        assert fix in done.stderr
        file.chmod(0o755)
    done = ready.run("run", "./")
    assert done.returncode == 126
    assert "./ is a folder. Fix: name a program in it" in done.stderr


def test_without_an_endpoint_and_a_terminal_nothing_is_run(person: Person) -> None:
    done = person.run("run", "echo", "hello")
    assert done.returncode == 1
    assert "`codex-transform login`" in done.stderr
    assert not done.stdout
    assert not list(person.home.iterdir())


def test_without_an_endpoint_at_a_terminal_it_is_asked_for(person: Person, sandbox: Sandbox) -> None:
    with person.at_terminal("run", "echo", "hello") as child:
        child.expect("Base URL.*: ")
        child.sendline(sandbox.url)
        child.expect("not shown as you type")
        child.sendline("sk-wrong-0123456789abcdef")
        child.expect("✗")
        child.expect("not shown as you type")
        child.sendline(sandbox.key)
        child.expect("Saved to")
        child.expect("hello\r\n")
        child.expect(pexpect.EOF)
    assert json.loads(person.config.read_text()) == {"baseURL": sandbox.url, "apiKey": sandbox.key}


def test_a_proxy_that_does_not_start_is_reported_with_its_log(ready: Person) -> None:
    (ready.home / ".mitmproxy").mkdir()
    (ready.home / ".mitmproxy" / "config.yaml").write_text("no_such_option_at_all: [")
    done = ready.run("run", "echo", "hello")
    assert done.returncode == 1
    assert "The proxy did not start" in done.stderr
    assert "config.yaml" in done.stderr
    assert "codex-transform doctor" in done.stderr
    assert not done.stdout
    assert not ready.leftovers()


@pytest.mark.parametrize("option", ["mode: [socks5]", "proxyauth: 'user:word'"])
def test_options_in_mitmproxys_config_file_do_not_keep_the_command_out(option: str, ready: Person) -> None:
    (ready.home / ".mitmproxy").mkdir()
    (ready.home / ".mitmproxy" / "config.yaml").write_text(f"{option}\n")
    done = ready.run("run", *CLIENT)
    assert done.returncode == 0, done.stderr + ready.logs
    assert "[sandbox]" in done.stdout


def test_a_log_folder_that_cannot_be_written_is_reported(ready: Person) -> None:
    (ready.home / ".opencode").write_text("a file where a folder should be")
    done = ready.run("run", "true")
    assert done.returncode == 1
    assert "No log can be written" in done.stderr
