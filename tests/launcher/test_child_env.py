"""The variables for a command behind the proxy: what they become, and what is said of those that interfere."""

import json
import re
from pathlib import Path

import pytest
from support.listener import listener

from codex_transform.launcher import child_env

URL, HOSTS = "http://127.0.0.1:8080", ("api.openai.com",)


@pytest.mark.parametrize(
    ("variable", "url", "bypasses"),
    [
        ("OPENAI_BASE_URL", "https://llm.example/v1", True),
        ("OPENAI_BASE_URL", "https://api.openai.com/v1", False),
        ("OPENAI_BASE_URL", "", False),
        ("OPENAI_API_BASE", "https://llm.example/v1", True),
    ],
)
def test_a_base_url_elsewhere_bypasses_the_proxy(variable: str, url: str, bypasses: bool) -> None:
    names, warnings = child_env.bypassing_variables({variable: url}, HOSTS)
    assert names == [variable] * bypasses
    assert [f"{variable} bypasses the proxy" in warning for warning in warnings] == [True] * bypasses


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
    given: str, expected: str, warned: list[str]
) -> None:
    variables, warnings = child_env.proxy_variables({"NO_PROXY": given}, URL, HOSTS)
    assert variables["NO_PROXY"] == variables["no_proxy"] == expected
    assert re.findall(r"NO_PROXY excludes (\S+):", "\n".join(warnings)) == warned


@pytest.mark.parametrize(
    ("login", "key", "xdg"),
    [
        ({"openai": {"type": "api", "key": "sk-x"}}, None, False),
        ({"openai": {"type": "api", "key": "sk-x"}}, None, True),
        ({"openai": {"type": "oauth"}}, None, False),
        ({"anthropic": {"type": "api"}}, "dummy", False),
        ([], "dummy", False),
    ],
)
def test_a_placeholder_key_is_set_only_without_a_login_of_opencode(
    login: object, key: str | None, xdg: bool, tmp_path: Path
) -> None:
    data = tmp_path / "data" if xdg else tmp_path / ".local" / "share"
    (data / "opencode").mkdir(parents=True)
    (data / "opencode" / "auth.json").write_text(json.dumps(login))
    variables, warnings = child_env.dummy_key({"XDG_DATA_HOME": str(data)} if xdg else {}, tmp_path)
    assert variables.get("OPENAI_API_KEY") == key
    assert ("logged in to ChatGPT" in "".join(warnings)) is ("oauth" in json.dumps(login))


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_that_listens_is_used_with_its_password(variable: str) -> None:
    with listener() as company:
        upstream, warnings = child_env.upstream({variable: f"http://u:p%20w@127.0.0.1:{company.port}"}, dict)
    address = f"http://127.0.0.1:{company.port}"
    assert upstream == (("--mode", f"upstream:{address}", "--upstream-auth", "u:p w"), address)
    assert not warnings


@pytest.mark.parametrize(
    ("proxy", "says"),
    [
        ("http://127.0.0.1:9", "HTTPS_PROXY names http://127.0.0.1:9, where nothing listens"),
        ("socks5://127.0.0.1:9", "which is not an HTTP proxy"),
        ("http://", "HTTPS_PROXY is not a valid address"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named(proxy: str, says: str) -> None:
    upstream, (warning,) = child_env.upstream({"HTTPS_PROXY": proxy}, dict)
    assert upstream == child_env.Upstream()
    assert says in warning
    assert "ignored" in warning
