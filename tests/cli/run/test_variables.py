"""`run`: the variables that are set and removed for its command; launcher/test_child_env.py has every case of each."""

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
def test_what_bypasses_the_proxy_is_removed_and_named(ready: Person) -> None:
    shows = "echo ${OPENAI_BASE_URL-none} $NO_PROXY $no_proxy"
    bypasses = {"OPENAI_BASE_URL": "https://llm.example/v1", "NO_PROXY": "a.example,.openai.com,api.openai.com"}
    done = ready.run("run", "sh", "-c", shows, **bypasses)
    left = "a.example,localhost,127.0.0.1,::1"
    assert done.stdout == f"none {left} {left}\n"
    assert "OPENAI_BASE_URL bypasses the proxy" in done.stderr
    assert re.findall(r"NO_PROXY excludes (\S+):", done.stderr) == [".openai.com", "api.openai.com"]


@pytest.mark.gate
def test_the_users_own_key_is_kept(ready: Person) -> None:
    assert ready.run("run", "sh", "-c", "echo $OPENAI_API_KEY", OPENAI_API_KEY="sk-own").stdout == "sk-own\n"


@pytest.mark.gate
def test_with_a_login_of_opencode_no_placeholder_key_is_set(ready: Person) -> None:
    folder = ready.home / ".local" / "share" / "opencode"
    folder.mkdir(parents=True)
    (folder / "auth.json").write_text('{"openai": {"type": "oauth"}}')
    done = ready.run("run", "sh", "-c", "echo $OPENAI_API_KEY")
    assert done.stdout == "\n"
    assert "logged in to ChatGPT" in done.stderr


@pytest.mark.gate
def test_no_placeholder_key_is_set_if_the_clients_own_is_forwarded(ready: Person) -> None:
    assert ready.run("run", "sh", "-c", "echo $OPENAI_API_KEY", CODEX_FORWARD_CLIENT_KEY="1").stdout == "\n"
