"""`run` when OpenCode's configuration sends its requests elsewhere, as `config --reverse` has it do."""

import json

import pytest
from support import needed
from support.commands import Person

from codex_transform.jsonc import parser
from codex_transform.launcher import child_env
from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate

ELSEWHERE = "http://127.0.0.1:9/v1"
HOSTS = ("api.openai.com",)


def test_opencode_goes_through_the_proxy_all_the_same(ready: Person, sandbox: Sandbox) -> None:
    program = str(needed.opencode())
    assert ready.run("config", "--yes", "--models", "gpt-5.2", "--reverse", ELSEWHERE).returncode == 0
    done = ready.run("run", program, "run", "-m", "openai/gpt-5.2", "say hello", PWD=str(ready.project))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[sandbox] Hello!" in done.stdout
    assert "baseURL in OpenCode's configuration leads past the proxy: not for this command" in done.stderr
    assert sandbox.requests


@pytest.mark.parametrize("configured", [None, "https://api.openai.com/v1"])
def test_what_leads_through_the_proxy_is_let_be(ready: Person, configured: str | None) -> None:
    if configured:
        folder = ready.home / ".config" / "opencode"
        folder.mkdir(parents=True)
        options = {"provider": {"openai": {"options": {"baseURL": configured}}}}
        (folder / "opencode.json").write_text(json.dumps(options))
    done = ready.run("run", "sh", "-c", "echo ${OPENCODE_CONFIG_CONTENT-none}")
    assert done.stdout.strip() == "none"
    assert "leads past the proxy" not in done.stderr


def test_what_the_variable_holds_stays() -> None:
    given = '{"theme": "dark", /* mine */ "provider": {"openai": {"options": {"baseURL": "x", "timeout": 1}}}}'
    variables, warnings = child_env.base_url_override({"OPENCODE_CONFIG_CONTENT": given}, ELSEWHERE, HOSTS)
    text = variables["OPENCODE_CONFIG_CONTENT"]
    assert "/* mine */" in text
    assert parser.parse(text)["theme"] == "dark"
    options = parser.parse(text)["provider"]["openai"]["options"]
    assert options == {"baseURL": "https://api.openai.com/v1", "timeout": 1}
    assert len(warnings) == 1


def test_what_cannot_be_overruled_is_only_said() -> None:
    variables, (warning,) = child_env.base_url_override({"OPENCODE_CONFIG_CONTENT": "{"}, ELSEWHERE, HOSTS)
    assert not variables
    assert warning.endswith("leads past the proxy")


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        (("localhost:1", "127.0.0.1", "::1", "gateway.example:8443"), "gateway.example:8443"),
        (("127.0.0.1",), None),
        ((), None),
    ],
)
def test_the_host_that_clients_go_through_a_proxy_to(hosts: tuple[str, ...], found: str | None) -> None:
    assert child_env.first_public_host(hosts) == found


def test_an_address_that_is_none_is_no_traceback(ready: Person) -> None:
    done = ready.run("run", "true", OPENAI_BASE_URL="http://[/v1")
    assert done.returncode == 0
    assert "OPENAI_BASE_URL leads past the proxy" in done.stderr
