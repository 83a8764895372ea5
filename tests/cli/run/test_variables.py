"""`run`: the variables that are set and removed for its command."""

import json
import re

import pytest
from support.commands import Person


def test_variables_are_set_for_the_command_only(ready: Person) -> None:
    said = dict(line.split("=", 1) for line in ready.run("run", "env").stdout.splitlines() if "=" in line)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", said["HTTPS_PROXY"])
    assert said["https_proxy"] == said["HTTPS_PROXY"]
    assert said["NO_PROXY"] == said["no_proxy"] == "localhost,127.0.0.1,::1"
    assert said["NODE_EXTRA_CA_CERTS"].startswith(str(ready.temporary))
    assert said["OPENAI_API_KEY"] == "dummy"
    assert said["NODE_USE_ENV_PROXY"] == "1"
    assert "HTTP_PROXY" not in said


@pytest.mark.gate
def test_the_users_own_setting_for_node_is_kept(ready: Person) -> None:
    assert ready.run("run", "sh", "-c", "echo $NODE_USE_ENV_PROXY", NODE_USE_ENV_PROXY="0").stdout == "0\n"


@pytest.mark.gate
@pytest.mark.parametrize(
    ("variable", "url", "seen"),
    [
        ("OPENAI_BASE_URL", "https://llm.example/v1", "none"),
        ("OPENAI_BASE_URL", "https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("OPENAI_BASE_URL", "", ""),
        ("OPENAI_API_BASE", "https://llm.example/v1", "none"),
    ],
)
def test_a_base_url_that_bypasses_the_proxy_is_removed(ready: Person, url: str, seen: str, variable: str) -> None:
    done = ready.run("run", "sh", "-c", f"echo ${{{variable}-none}}", **{variable: url})
    assert done.stdout.strip() == seen
    assert (f"{variable} bypasses the proxy" in done.stderr) == (seen == "none")


@pytest.mark.gate
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
def test_no_proxy_loses_entries_that_match_the_host_and_gains_this_machine(
    given: str, expected: str, warned: list[str], ready: Person
) -> None:
    done = ready.run("run", "sh", "-c", "echo $NO_PROXY; echo $no_proxy", NO_PROXY=given)
    assert done.stdout == f"{expected}\n{expected}\n"
    assert re.findall(r"NO_PROXY excludes (\S+):", done.stderr) == warned


@pytest.mark.gate
def test_the_users_own_key_is_kept(ready: Person) -> None:
    assert ready.run("run", "sh", "-c", "echo $OPENAI_API_KEY", OPENAI_API_KEY="sk-own").stdout == "sk-own\n"


@pytest.mark.gate
@pytest.mark.parametrize(
    ("login", "expected", "xdg"),
    [
        ({"openai": {"type": "api", "key": "sk-x"}}, "", False),
        ({"openai": {"type": "api", "key": "sk-x"}}, "", True),
        ({"openai": {"type": "oauth"}}, "", False),
        ({"anthropic": {"type": "api"}}, "dummy", False),
        ([], "dummy", False),
    ],
)
def test_a_placeholder_key_is_set_only_without_a_login_of_opencode(
    login: object, expected: str, xdg: bool, ready: Person
) -> None:
    data = ready.home / "data" if xdg else ready.home / ".local" / "share"
    (data / "opencode").mkdir(parents=True)
    (data / "opencode" / "auth.json").write_text(json.dumps(login))
    environ = {"XDG_DATA_HOME": str(data)} if xdg else {}
    done = ready.run("run", "sh", "-c", "echo $OPENAI_API_KEY", **environ)
    assert done.stdout == f"{expected}\n"
    assert ("logged in to ChatGPT" in done.stderr) is ("oauth" in json.dumps(login))


@pytest.mark.gate
def test_no_placeholder_key_is_set_if_the_clients_own_is_forwarded(ready: Person) -> None:
    assert ready.run("run", "sh", "-c", "echo $OPENAI_API_KEY", CODEX_FORWARD_CLIENT_KEY="1").stdout == "\n"
