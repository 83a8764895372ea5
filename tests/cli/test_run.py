"""`run`: what the command gets, what comes through, and that nothing is left, whichever way it ends."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import company_proxy
import pexpect
import pytest
from commands import COMMAND, ROOT, Person
from h2_endpoint import certificate
from raw_host import Answer, raw_host

from codex_transform import sandbox as sandboxes
from codex_transform.sandbox import Sandbox

ASKS = str(ROOT / "tests" / "asks.py")
CLIENT = [sys.executable, ASKS]


@pytest.fixture
def ready(person: Person, sandbox: Sandbox) -> Person:
    """A person whose endpoint is the sandbox."""
    person.uses(sandbox)
    return person


def gone(person: Person, seconds: float = 10) -> bool:
    """True once nothing that the person started runs any more."""
    waiting = threading.Event()
    return any(not person.left() or waiting.wait(0.05) for _ in range(int(seconds / 0.05)))


def begun(person: Person, *command: str, **variables: str) -> subprocess.Popen[str]:
    """`run` under way in a session of its own: the command has said `begun`."""
    process = subprocess.Popen(
        [*COMMAND, "run", *command],
        env=person.environ(**variables),
        cwd=person.project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line == "begun\n":
            return process
    raise AssertionError(said)


# -- what comes through -----------------------------------------------------------------------------------------------


def test_a_client_gets_its_answer_from_the_endpoint(ready: Person, sandbox: Sandbox) -> None:
    done = ready.run("run", *CLIENT)
    assert done.returncode == 0, done.stderr + ready.logs
    assert "[sandbox]" in json.dumps(json.loads(done.stdout)["output"])
    assert not done.stderr
    assert len(sandbox.requests) == 1
    assert sandbox.key not in ready.logs
    assert not ready.left()
    assert not list(ready.temporary.iterdir())


@pytest.mark.parametrize("dashes", [[], ["--"]])
@pytest.mark.parametrize("status", [0, 7])
def test_the_exit_status_is_the_commands(status: int, dashes: list[str], ready: Person) -> None:
    assert ready.run("run", *dashes, "sh", "-c", f"exit {status}").returncode == status


def test_a_command_that_a_signal_ended(ready: Person) -> None:
    assert ready.run("run", "sh", "-c", "kill -9 $$").returncode == 128 + 9


def test_options_behind_the_command_are_its_own(ready: Person) -> None:
    assert ready.run("run", "echo", "--web", "--help", "-x").stdout == "--web --help -x\n"


def test_what_is_piped_in_comes_out(ready: Person) -> None:
    text = "".join(f"{number}\n" for number in range(700_000))
    done = ready.run("run", "cat", given=text)
    assert done.stdout == text
    assert not done.stderr


def test_variables_are_for_the_command_alone(ready: Person) -> None:
    said = dict(line.split("=", 1) for line in ready.run("run", "env").stdout.splitlines() if "=" in line)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", said["HTTPS_PROXY"])
    assert said["https_proxy"] == said["HTTPS_PROXY"]
    assert said["NO_PROXY"] == said["no_proxy"] == "localhost,127.0.0.1,::1"
    assert said["NODE_EXTRA_CA_CERTS"].startswith(str(ready.temporary))
    assert said["OPENAI_API_KEY"] == "dummy"
    assert "HTTP_PROXY" not in said


def test_first_starts_at_once(ready: Person) -> None:
    """Each makes a certificate; every command must trust the one that its proxy uses."""
    with ThreadPoolExecutor() as pool:
        for done in pool.map(lambda _: ready.run("run", *CLIENT), range(3)):
            assert done.returncode == 0, done.stderr + ready.logs
            assert "[sandbox]" in done.stdout


# -- how it ends ------------------------------------------------------------------------------------------------------

SAYS_SIGNALS = """
import signal, sys
def told(number, frame):
    print(signal.Signals(number).name, flush=True)
    sys.exit(5)
for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"):
    signal.signal(getattr(signal, name), told)
print("begun", flush=True)
signal.pause()
"""


# The proxy is the other child of the command's parent. It has ended when that child is no more, or only waits to be
# noticed: state Z, and no thread left (the first one is Z as soon as it alone has ended).
ENDS_THE_PROXY = """
import os, pathlib, signal, threading
def stat(process):
    try:
        return process.joinpath("stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
def has_ended(process):
    now = stat(process)
    return now is None or (now[0] == "Z" and int(now[17]) < 2)
for process in pathlib.Path("/proc").glob("[0-9]*"):
    now = stat(process)
    if now and now[1] == str(os.getppid()) and process.name != str(os.getpid()):
        os.kill(int(process.name), signal.SIGTERM)
        waiting = threading.Event()
        assert any(has_ended(process) or waiting.wait(0.02) for _ in range(1000))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_a_signal_goes_to_the_command(name: str, ready: Person) -> None:
    process = begun(ready, sys.executable, "-c", SAYS_SIGNALS)
    process.send_signal(getattr(signal, name))
    said, _ = process.communicate(timeout=30)
    assert said == f"{name}\n"
    assert process.returncode == 5
    assert gone(ready)


def test_the_proxy_ends_when_run_is_killed(ready: Person) -> None:
    process = begun(ready, "sh", "-c", "echo begun; exec sleep 60")
    assert len(ready.left()) == 3
    process.kill()
    process.wait(20)
    # The command itself goes on: nobody can tell it.
    waiting = threading.Event()
    assert any(len(ready.left()) == 1 or waiting.wait(0.05) for _ in range(200)), ready.left()
    os.killpg(process.pid, signal.SIGKILL)
    assert process.stdout is not None
    process.stdout.close()
    assert gone(ready)


def test_ctrl_c_at_a_terminal_goes_to_the_command_once(ready: Person) -> None:
    counts = SAYS_SIGNALS.replace("    sys.exit(5)\n", "").replace("signal.pause()", "sys.stdin.readline()")
    with ready.at_terminal("run", sys.executable, "-c", counts) as child:
        child.expect("begun")
        child.send("\x03")
        child.expect("SIGINT")
        child.send("\x03")
        child.expect("SIGINT")
        child.sendline()
        assert "SIGINT" not in child.read()
        child.close()
    assert child.exitstatus == 0
    assert gone(ready)


def test_the_terminal_is_the_commands(ready: Person) -> None:
    says = "import os; print('ours' if os.tcgetpgrp(0) == os.getpgrp() else 'not ours', os.get_terminal_size())"
    with ready.at_terminal("run", sys.executable, "-c", says) as child:
        said = child.read()
    assert "ours os.terminal_size(columns=120, lines=40)" in said


def test_a_shell_with_jobs_of_its_own(ready: Person) -> None:
    with ready.at_terminal("run", "bash", "--norc", "-i", PS1="ask> ") as child:
        child.expect_exact("ask> ")
        child.sendline("sleep 60")
        child.expect_exact("sleep 60")
        child.send("\x1a")
        child.expect("Stopped")
        child.expect_exact("ask> ")
        child.sendline("fg")
        child.expect_exact("sleep 60")
        child.send("\x03")
        child.expect_exact("ask> ")
        child.sendline("exit 4")
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 4
    assert gone(ready)


def test_the_port_is_closed_after(ready: Person) -> None:
    port = int(ready.run("run", "sh", "-c", "echo ${HTTPS_PROXY##*:}").stdout)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


# -- what is wrong ----------------------------------------------------------------------------------------------------


def test_a_command_that_is_not_there(ready: Person) -> None:
    done = ready.run("run", "no-such-command")
    assert done.returncode == 127
    assert "no-such-command is not found" in done.stderr
    assert not ready.left()


def test_a_command_that_cannot_be_run(ready: Person) -> None:
    (ready.project / "file").write_text("not a program")
    done = ready.run("run", "./file")
    assert done.returncode == 126
    assert "./file is not a program" in done.stderr


def test_without_an_endpoint_and_a_terminal(person: Person) -> None:
    done = person.run("run", "echo", "hello")
    assert done.returncode == 1
    assert "`codex-transform login`" in done.stderr
    assert not done.stdout
    assert not list(person.home.iterdir())


def test_without_an_endpoint_at_a_terminal_it_is_asked_for(person: Person, sandbox: Sandbox) -> None:
    with person.at_terminal("run", "echo", "hello") as child:
        child.expect("Base URL.*: ")
        child.sendline(sandbox.url)
        child.expect("stays hidden")
        child.sendline("sk-wrong-0123456789abcdef")
        child.expect("✗")
        child.expect("stays hidden")
        child.sendline(sandbox.key)
        child.expect("Kept in")
        child.expect("hello\r\n")
        child.expect(pexpect.EOF)
    assert json.loads(person.config.read_text()) == {"baseURL": sandbox.url, "apiKey": sandbox.key}


def test_a_proxy_that_does_not_start(ready: Person) -> None:
    (ready.home / ".mitmproxy").mkdir()
    (ready.home / ".mitmproxy" / "config.yaml").write_text("no_such_option_at_all: [")
    done = ready.run("run", "echo", "hello")
    assert done.returncode == 1
    assert "The proxy did not start" in done.stderr
    assert "config.yaml" in done.stderr
    assert "codex-transform doctor" in done.stderr
    assert not done.stdout
    assert not ready.left()


def test_a_proxy_that_ends_before_the_command(ready: Person) -> None:
    done = ready.run("run", sys.executable, "-c", ENDS_THE_PROXY)
    assert done.returncode == 0, done.stderr
    assert "the proxy ended before the command did" in done.stderr
    assert "listening at" in done.stderr


@pytest.mark.parametrize("option", ["mode: [socks5]", "proxyauth: 'user:word'"])
def test_what_is_set_for_mitmproxy_started_by_hand_keeps_nobody_out(option: str, ready: Person) -> None:
    (ready.home / ".mitmproxy").mkdir()
    (ready.home / ".mitmproxy" / "config.yaml").write_text(f"{option}\n")
    done = ready.run("run", *CLIENT)
    assert done.returncode == 0, done.stderr + ready.logs
    assert "[sandbox]" in done.stdout


def test_logs_that_cannot_be_written(ready: Person) -> None:
    (ready.home / ".opencode").write_text("a file where a folder should be")
    done = ready.run("run", "true")
    assert done.returncode == 1
    assert "No log can be written" in done.stderr


# -- a company's network ----------------------------------------------------------------------------------------------

FETCHES = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=30).status)"


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server with a certificate of the company's own, and the file that has the company's authority."""
    both, trusted = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(both)
    with raw_host(tls) as host:
        host.answers["hello"] = Answer(b"hello")
        yield f"{host.root}/hello", trusted


def test_the_companys_authority_and_ours_are_trusted(ready: Person, authority: tuple[str, Path]) -> None:
    url, trusted = authority
    both = f"{FETCHES}\nexec(open({ASKS!r}).read())"
    done = ready.run("run", sys.executable, "-c", both, url, SSL_CERT_FILE=str(trusted))
    assert done.returncode == 0, done.stderr + ready.logs
    assert done.stdout.startswith("200\n")
    assert "[sandbox]" in done.stdout
    # Without the variable the company's server is a stranger.
    quietly = ["sh", "-c", '"$0" "$@" 2>/dev/null']
    assert ready.run("run", *quietly, sys.executable, "-c", FETCHES, url).returncode == 1


def test_every_variable_of_the_companys_keeps_what_it_says(ready: Person, authority: tuple[str, Path]) -> None:
    _, trusted = authority
    names = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    shows = "".join(f'cat "${name}"; echo =====;' for name in names)
    done = ready.run("run", "sh", "-c", shows, **dict.fromkeys(names, str(trusted)))
    ours = (ready.home / ".mitmproxy" / "mitmproxy-ca-cert.pem").read_text()
    bundles = done.stdout.split("=====")[:-1]
    assert len(bundles) == 4
    for bundle in bundles:
        assert trusted.read_text() in bundle
        assert ours in bundle


def test_an_authority_that_cannot_be_read(ready: Person) -> None:
    done = ready.run("run", *CLIENT, SSL_CERT_FILE="/no/such/file.pem")
    assert done.returncode == 0, done.stderr
    assert "SSL_CERT_FILE=/no/such/file.pem cannot be read" in done.stderr


@pytest.mark.parametrize("base_url", ["https://codex.example", "http://codex.example"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_through_the_companys_proxy(variable: str, base_url: str, person: Person, tmp_path: Path) -> None:
    both, _ = certificate(tmp_path)
    tls = {"certfile": both} if base_url.startswith("https") else {}
    with sandboxes.running(Sandbox(**tls)) as sandbox, company_proxy.running(sandbox.url, "u:p w") as company:
        person.variables |= {"CODEX_BASE_URL": base_url, "CODEX_API_KEY": sandbox.key}
        (person.home / ".mitmproxy").mkdir()
        # The certificate is for another name.
        (person.home / ".mitmproxy" / "config.yaml").write_text("ssl_insecure: true")
        done = person.run("run", *CLIENT, **{variable: f"http://u:p%20w@{company.authority}"})
    assert done.returncode == 0, done.stderr + person.logs
    assert "[sandbox]" in done.stdout
    assert not done.stderr
    assert [line.removesuffix(" HTTP/1.1") for line in company.asked] == [f"CONNECT codex.example:{443 if tls else 80}"]
    assert "p w" not in person.logs


def test_past_the_companys_proxy_to_this_machine(ready: Person, sandbox: Sandbox) -> None:
    with company_proxy.running(sandbox.url) as company:
        done = ready.run("run", *CLIENT, HTTPS_PROXY=f"http://{company.authority}")
    assert done.returncode == 0, done.stderr + ready.logs
    assert not company.asked


def test_past_the_companys_proxy_to_what_no_proxy_names(person: Person, sandbox: Sandbox) -> None:
    person.variables |= {"CODEX_BASE_URL": "https://codex.invalid", "CODEX_API_KEY": sandbox.key}
    with company_proxy.running(sandbox.url) as company:
        environ = {"HTTPS_PROXY": f"http://{company.authority}", "NO_PROXY": "codex.invalid"}
        done = person.run("run", "sh", "-c", '"$0" "$@" 2>/dev/null', *CLIENT, **environ)
    assert done.returncode == 1
    assert not company.asked
    assert "codex.invalid" in person.logs


@pytest.mark.parametrize(
    ("proxy", "says"),
    [
        ("http://127.0.0.1:9", "HTTPS_PROXY names http://127.0.0.1:9, where nothing listens"),
        ("socks5://127.0.0.1:9", "HTTP proxies only"),
        ("http://", "HTTPS_PROXY is not an address"),
    ],
)
def test_a_proxy_that_is_of_no_use(proxy: str, says: str, ready: Person) -> None:
    done = ready.run("run", *CLIENT, HTTPS_PROXY=proxy)
    assert done.returncode == 0, done.stderr
    assert says in done.stderr
    assert "[sandbox]" in done.stdout


# -- other variables --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://llm.example/v1", "none"),
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("", ""),
    ],
)
def test_a_base_url_that_leads_past_the_proxy_is_not_for_the_command(ready: Person, url: str, seen: str) -> None:
    done = ready.run("run", "sh", "-c", "echo ${OPENAI_BASE_URL-none}", OPENAI_BASE_URL=url)
    assert done.stdout.strip() == seen
    assert ("OPENAI_BASE_URL leads past the proxy" in done.stderr) == (seen == "none")


@pytest.mark.parametrize(
    ("given", "expected", "warned"),
    [
        ("intern.example,10.0.0.0/8", "intern.example,10.0.0.0/8,localhost,127.0.0.1,::1", []),
        ("localhost, ::1", "localhost,::1,127.0.0.1", []),
        ("*", "localhost,127.0.0.1,::1", ["*"]),
        (
            "a.example,.openai.com,api.openai.com",
            "a.example,localhost,127.0.0.1,::1",
            [".openai.com", "api.openai.com"],
        ),
        ("notopenai.com", "notopenai.com,localhost,127.0.0.1,::1", []),
    ],
)
def test_no_proxy(given: str, expected: str, warned: list[str], ready: Person) -> None:
    done = ready.run("run", "sh", "-c", "echo $NO_PROXY; echo $no_proxy", NO_PROXY=given)
    assert done.stdout == f"{expected}\n{expected}\n"
    assert re.findall(r"NO_PROXY leaves out (\S+):", done.stderr) == warned


def test_a_key_of_the_users_stays(ready: Person) -> None:
    assert ready.run("run", "sh", "-c", "echo $OPENAI_API_KEY", OPENAI_API_KEY="sk-own").stdout == "sk-own\n"


@pytest.mark.parametrize("xdg", [True, False])
@pytest.mark.parametrize(
    ("login", "expected"),
    [
        ({"openai": {"type": "api", "key": "sk-x"}}, ""),
        ({"openai": {"type": "oauth"}}, ""),
        ({"anthropic": {"type": "api"}}, "dummy"),
        ([], "dummy"),
    ],
)
def test_opencodes_own_login(login: object, expected: str, xdg: bool, ready: Person) -> None:
    data = ready.home / "data" if xdg else ready.home / ".local" / "share"
    (data / "opencode").mkdir(parents=True)
    (data / "opencode" / "auth.json").write_text(json.dumps(login))
    environ = {"XDG_DATA_HOME": str(data)} if xdg else {}
    done = ready.run("run", "sh", "-c", "echo $OPENAI_API_KEY", **environ)
    assert done.stdout == f"{expected}\n"
    assert ("logged in to ChatGPT" in done.stderr) is ("oauth" in json.dumps(login))


def test_a_client_whose_own_key_is_used_gets_no_other(ready: Person) -> None:
    assert ready.run("run", "sh", "-c", "echo $OPENAI_API_KEY", CODEX_FORWARD_CLIENT_KEY="1").stdout == "\n"


# -- mitmweb ----------------------------------------------------------------------------------------------------------


def test_mitmweb_beside_it(ready: Person) -> None:
    (ready.home / ".mitmproxy").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = f"web_open_browser: false\nweb_port: {taken.getsockname()[1]}\n"
        (ready.home / ".mitmproxy" / "config.yaml").write_text(config)
        process = begun(ready, "--web", "sh", "-c", "echo begun; exec sleep 60")
        port = int(re.findall(r"http://127\.0\.0\.1:(\d+)/", ready.logs)[0])
        assert port != taken.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), 5).close()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert gone(ready)
