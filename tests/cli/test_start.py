"""`start`: the proxy in the foreground, and the lines that it prints to paste."""

import json
import re
import socket
import ssl
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPSConnection
from pathlib import Path

import demo_client
import pexpect
import pytest
from support.commands import COMMAND, Person
from support.running import Proxy, serving
from support.waiting import eventually

from codex_transform.sandbox import Sandbox

KEY = "sk-of-the-endpoint-0123456789"


@contextmanager
def started(person: Person, *arguments: str, **variables: str) -> Iterator[Proxy]:
    """Run `start` without a terminal; end it by Ctrl-C, with exit status 0."""
    command = [*COMMAND, "start", "--port", "0", *arguments]
    with serving(command, person.environ(**variables), person.project, person.home) as proxy:
        yield proxy


def test_a_client_works_with_the_lines_that_are_printed(person: Person, sandbox: Sandbox) -> None:
    person.uses(sandbox)
    with started(person) as proxy:
        # The lines for bash have all that a client needs.
        said = dict(re.findall(r"^export (\w+)=(.+)$", proxy.log, re.MULTILINE))
        assert said["HTTPS_PROXY"] == proxy.url
        certificate = Path(said["NODE_EXTRA_CA_CERTS"])
        assert eventually(proxy.is_ready)
        assert demo_client.converse(proxy.url, certificate, person.project, "gpt-5.1", "write hello world to test.txt")
        # Each call has one line in the log, and mitmproxy none of its own.
        lines = r"\] gpt-5\.1 medium · [^\n]+ out.*" * len(sandbox.requests)
        proxy.wait_for(f"(?s){lines}")
        assert proxy.send({"model": "gpt-5.2", "input": "hi", "background": True})[0] == 200
        proxy.wait_for(r"\] gpt-5\.2 · [^\n]+ out")
        for noise in ("<<", "client connect", "[replay]"):
            assert noise not in proxy.log
        for line in (f"set -gx HTTPS_PROXY {proxy.url}", f'$env:HTTPS_PROXY = "{proxy.url}"'):
            assert line in proxy.log.splitlines()
    assert (person.project / "test.txt").read_text().strip() == "hello world"
    assert f"Requests go to {sandbox.url}/backend-api/codex/responses" in proxy.log
    assert sandbox.key not in proxy.log
    assert not person.config.exists()


@pytest.mark.parametrize("command", [("start", "--port", "0"), ("run", "true")], ids=lambda words: words[0])
@pytest.mark.parametrize("damaged", [True, False])
def test_a_certificate_authority_that_cannot_be_used_is_named_with_the_fix(
    person: Person, sandbox: Sandbox, command: tuple[str, ...], damaged: bool
) -> None:
    person.uses(sandbox)
    folder = person.home / ".mitmproxy"
    if damaged:
        folder.mkdir()
        (folder / "mitmproxy-ca.pem").write_text("cut")
    else:
        folder.write_text("no folder")
    done = person.run(*command)
    assert done.returncode == 1
    reason = "mitmproxy-ca.pem is damaged. Fix: delete" if damaged else "File exists. Fix: move the file away"
    assert f"The certificate authority in {folder} cannot be used: {reason}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("option", ["--mode", "--set", "-p"])
def test_an_option_of_mitmproxy_has_its_place(person: Person, option: str) -> None:
    done = person.run("start", option, "reverse:https://example.com")
    assert done.returncode == 2
    assert f"No such option {option}." in done.stderr
    assert "Put options of mitmproxy after `--`" in done.stderr


@pytest.mark.gate
def test_where_clients_have_keys_opencode_needs_one(person: Person, sandbox: Sandbox) -> None:
    person.uses(sandbox)
    assert person.run("clients", "add", "alice").returncode == 0
    with started(person) as proxy:
        assert "a key from `codex-transform clients` as its OPENAI_API_KEY" in proxy.log
        assert "dummy" not in proxy.log


@pytest.mark.gate
def test_several_started_at_once_have_one_certificate_authority(person: Person, sandbox: Sandbox) -> None:
    person.uses(sandbox)
    with ExitStack() as proxies, ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda _: proxies.enter_context(started(person)), range(3)))
        assert eventually(together[0].is_ready)
        for proxy in together:
            client = HTTPSConnection(
                "127.0.0.1", proxy.port, timeout=60, context=ssl.create_default_context(cafile=proxy.ca)
            )
            client.set_tunnel("api.openai.com", 443)
            client.request("POST", "/v1/responses", json.dumps({"model": "gpt-5.1", "input": "say hello"}))
            assert client.getresponse().status == 200
            client.close()


@pytest.mark.gate
def test_options_of_mitmproxy_are_passed_on(person: Person, sandbox: Sandbox) -> None:
    options = ["--set", f"codex_base_url={sandbox.url}", "--set", "codex_forward_client_key=true"]
    with started(person, "--", *options, "--set", f"confdir={person.home}/ca") as proxy:
        assert f"export NODE_EXTRA_CA_CERTS={person.home}/ca/mitmproxy-ca-cert.pem" in proxy.log
        assert "API key: the client's own" in proxy.log
        assert "with your endpoint's key as its OPENAI_API_KEY" in proxy.log
    assert (person.home / "ca" / "mitmproxy-ca-cert.pem").exists()


@pytest.mark.gate
def test_in_reverse_mode_the_configuration_is_printed(person: Person, sandbox: Sandbox) -> None:
    person.uses(sandbox)
    with started(person, "--", "--mode", f"reverse:{sandbox.url}") as proxy:
        (line,) = (line for line in proxy.log.splitlines() if line.startswith("{"))
        assert json.loads(line)["provider"]["openai"]["options"]["baseURL"] == f"{proxy.url}/v1"
    assert "HTTPS_PROXY" not in proxy.log


@pytest.mark.gate
def test_web_starts_mitmweb(person: Person, sandbox: Sandbox) -> None:
    person.uses(sandbox)
    with started(person, "--web", "--", "--no-web-open-browser", "--set", "web_port=0") as proxy:
        proxy.wait_for(r"Web server listening at http://127\.0\.0\.1:")


@pytest.mark.gate
def test_an_unknown_option_of_mitmproxy_is_refused(person: Person, sandbox: Sandbox) -> None:
    person.uses(sandbox)
    done = person.run("start", "--port", "0", "--", "--no-such-option")
    assert done.returncode != 0
    assert "--no-such-option" in done.stderr


@pytest.mark.gate
def test_without_an_endpoint_and_a_terminal_it_refuses_to_start(person: Person) -> None:
    done = person.run("start", "--port", "0")
    assert done.returncode == 1
    assert "CODEX_BASE_URL and CODEX_API_KEY" in done.stderr
    assert not done.stdout
    assert not list(person.home.iterdir())


@pytest.mark.gate
def test_an_invalid_variable_is_reported_instead_of_asking(person: Person) -> None:
    with person.at_terminal("start", "--port", "0", CODEX_BASE_URL="ftp://h") as child:
        child.expect("CODEX_BASE_URL: the scheme is 'ftp'")
        child.expect("Fix that first")
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 1


@pytest.mark.gate
def test_a_damaged_file_is_reported_instead_of_asking(person: Person) -> None:
    person.config.parent.mkdir()
    person.config.write_text('{"codexMode": tru}')
    with person.at_terminal("start", "--port", "0") as child:
        child.expect("is damaged, line 1")
        child.expect("Fix that first")
        child.expect(pexpect.EOF)
    assert person.config.read_text() == '{"codexMode": tru}'


@pytest.mark.gate
def test_a_port_in_use_is_reported(person: Person) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = person.run("start", "--port", port, CODEX_BASE_URL="https://h", CODEX_API_KEY=KEY)
    assert done.returncode == 1
    assert f"Port {port} cannot be used: Address already in use. Choose another with --port." in done.stderr
    assert person.run("start", "--port", "65536").returncode == 2


@pytest.mark.gate
def test_the_answers_are_saved_and_not_asked_for_again(person: Person, sandbox: Sandbox) -> None:
    with person.at_terminal("start", "--port", "0") as child:
        child.expect("Base URL of your Codex endpoint.*: ")
        child.sendline(sandbox.url)
        child.expect("not shown as you type")
        child.sendline(sandbox.key)
        child.expect("proxy listening at")
        child.send("\x03")
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 0
    assert json.loads(person.config.read_text()) == {"baseURL": sandbox.url, "apiKey": sandbox.key}
    assert stat.S_IMODE(person.config.stat().st_mode) == 0o600
    assert stat.S_IMODE(person.config.parent.stat().st_mode) == 0o700
    with started(person) as proxy:
        assert "Base URL of your" not in proxy.log
        assert sandbox.url in proxy.log


@pytest.mark.gate
def test_only_missing_settings_are_asked_for_and_the_rest_of_the_file_stays(person: Person, sandbox: Sandbox) -> None:
    person.config.parent.mkdir()
    there = {"codexMode": False, "unknown": [1], "baseURL": "not a url", "apiKey": sandbox.key}
    person.config.write_text(json.dumps(there))
    with person.at_terminal("start", "--port", "0") as child:
        child.expect("Base URL.*: ")
        child.sendline(sandbox.url)
        child.expect("proxy listening at")
        assert "not shown as you type" not in child.before
        child.send("\x03")
        child.expect(pexpect.EOF)
    assert json.loads(person.config.read_text()) == {**there, "baseURL": sandbox.url}
