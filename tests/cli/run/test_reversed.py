"""`run` when OpenCode's configuration has another base URL, as written by `config --reverse`."""

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


def test_the_configured_base_url_is_overridden_for_the_command(ready: Person, sandbox: Sandbox) -> None:
    program = str(needed.opencode())
    assert ready.run("config", "--yes", "--models", "gpt-5.2", "--reverse", ELSEWHERE).returncode == 0
    done = ready.run("run", program, "run", "-m", "openai/gpt-5.2", "say hello", PWD=str(ready.project))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[sandbox] Hello!" in done.stdout
    assert "baseURL in OpenCode's configuration bypasses the proxy: ignored for this command" in done.stderr
    assert sandbox.requests


@pytest.mark.parametrize("configured", [None, "https://api.openai.com/v1"])
def test_a_base_url_that_uses_the_proxy_is_not_overridden(ready: Person, configured: str | None) -> None:
    if configured:
        folder = ready.home / ".config" / "opencode"
        folder.mkdir(parents=True)
        options = {"provider": {"openai": {"options": {"baseURL": configured}}}}
        (folder / "opencode.json").write_text(json.dumps(options))
    done = ready.run("run", "sh", "-c", "echo ${OPENCODE_CONFIG_CONTENT-none}")
    assert done.stdout.strip() == "none"
    assert "bypasses the proxy" not in done.stderr


def test_other_members_of_the_variable_are_kept() -> None:
    given = '{"theme": "dark", /* mine */ "provider": {"openai": {"options": {"baseURL": "x", "timeout": 1}}}}'
    variables, warnings = child_env.base_url_override({"OPENCODE_CONFIG_CONTENT": given}, ELSEWHERE, HOSTS)
    text = variables["OPENCODE_CONFIG_CONTENT"]
    assert "/* mine */" in text
    assert parser.parse(text)["theme"] == "dark"
    options = parser.parse(text)["provider"]["openai"]["options"]
    assert options == {"baseURL": "https://api.openai.com/v1", "timeout": 1}
    assert len(warnings) == 1


def test_an_invalid_variable_is_kept_and_warned_of() -> None:
    variables, (warning,) = child_env.base_url_override({"OPENCODE_CONFIG_CONTENT": "{"}, ELSEWHERE, HOSTS)
    assert not variables
    assert warning.endswith("bypasses the proxy")


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        (("localhost:1", "127.0.0.1", "::1", "gateway.example:8443"), "gateway.example:8443"),
        (("127.0.0.1",), None),
        ((), None),
    ],
)
def test_the_first_host_that_clients_reach_through_a_proxy(hosts: tuple[str, ...], found: str | None) -> None:
    assert child_env.first_public_host(hosts) == found


def test_an_invalid_address_is_warned_of_without_a_traceback(ready: Person) -> None:
    done = ready.run("run", "true", OPENAI_BASE_URL="http://[/v1")
    assert done.returncode == 0
    assert "OPENAI_BASE_URL bypasses the proxy" in done.stderr
