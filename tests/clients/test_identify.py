"""Which client sent a request, by its headers and by the beginning of its prompt."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.clients.client import CODEX_CLI, OPENCODE, OPENCODE_2, OTHER, Client
from codex_transform.clients.identify import identify

OPENCODE_PROMPT = "You are OpenCode, the best coding agent on the planet."


def client_of(body: Any = None, **fields: str) -> Client:
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    return identify(headers, body or {})


@pytest.mark.parametrize(
    ("fields", "client"),
    [
        (
            {"originator": "opencode", "user_agent": "opencode/1.18.33 ai-sdk/provider-utils/4"},
            OPENCODE,
        ),
        ({"user_agent": "opencode/1.0.185"}, OPENCODE),
        ({"User_Agent": "OpenCode/1.3.2"}, OPENCODE),
        ({"user_agent": "opencode/2.0.4"}, OPENCODE_2),
        ({"user_agent": "lildax/1.18.18"}, OPENCODE_2),
        ({"originator": "codex_cli_rs", "user_agent": "codex_cli_rs/0.111.0 (Debian; x86_64)"}, CODEX_CLI),
        ({"originator": "codex_exec"}, CODEX_CLI),
        ({"originator": "codex_vscode"}, CODEX_CLI),
        ({"originator": "codex-tui"}, CODEX_CLI),
        ({"originator": "Codex Desktop"}, CODEX_CLI),
        ({"user_agent": "codex_exec/0.171.0 (Ubuntu)"}, CODEX_CLI),
        ({"originator": "opencode"}, OTHER),
        ({"originator": "pi", "user_agent": "pi/0.9"}, OTHER),
        ({"user_agent": "OpenAI/Python 2.8.1"}, OTHER),
        ({"user_agent": "codexia/1.0"}, OTHER),
        ({}, OTHER),
    ],
)
def test_clients_are_recognized_by_headers(fields: dict[str, str], client: Client) -> None:
    assert client_of(**fields) is client


@pytest.mark.parametrize(
    "body",
    [
        {"instructions": OPENCODE_PROMPT},
        {"input": [{"role": "developer", "content": OPENCODE_PROMPT}]},
        {"input": [{"role": "system", "content": [{"type": "input_text", "text": f"\n{OPENCODE_PROMPT}"}]}]},
    ],
)
def test_opencode_is_recognized_by_its_prompt_if_headers_are_uninformative(body: dict[str, Any]) -> None:
    assert client_of(body) is OPENCODE
    assert client_of(body, user_agent="ai-sdk/openai/2.0 runtime/bun/1.3") is OPENCODE
    assert client_of(body, user_agent="litellm/1.80") is OPENCODE


def test_a_client_that_names_itself_is_believed() -> None:
    body = {"instructions": OPENCODE_PROMPT}
    assert client_of(body, user_agent="Kilo-Code/4.9") is OTHER
    assert client_of(body, originator="codex_cli_rs") is CODEX_CLI


def test_a_user_message_like_a_prompt_is_ignored() -> None:
    assert client_of({"input": [{"role": "user", "content": OPENCODE_PROMPT}]}) is OTHER


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "text"]), inner),
    max_leaves=10,
)


BODIES = st.dictionaries(st.sampled_from(["instructions", "input", "tools"]), JSON | st.just(OPENCODE_PROMPT))


@given(
    st.lists(st.tuples(st.sampled_from([b"originator", b"user-agent", b"x"]), st.binary(max_size=30)), max_size=3),
    BODIES,
)
def test_only_what_a_client_names_itself_by_identifies_it(
    fields: list[tuple[bytes, bytes]], body: dict[str, Any]
) -> None:
    found = identify(fields, body)
    assert found in (OPENCODE, OPENCODE_2, CODEX_CLI, OTHER)
    assert identify([field for field in fields if field[0] != b"x"], body) is found


@given(BODIES)
def test_the_body_of_a_client_that_names_itself_does_not_matter(body: dict[str, Any]) -> None:
    assert client_of(body, user_agent="codex_exec/0.171.0") is CODEX_CLI
    assert client_of(body, user_agent="Kilo-Code/4.9") is OTHER
