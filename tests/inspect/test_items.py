"""The description of one item of a conversation."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request.test_properties import anything

from codex_transform.inspect.items import Described, describe

IMAGE = "data:image/png;base64," + "A" * 1978


@pytest.mark.parametrize(
    ("item", "described"),
    [
        ({"role": "user", "content": "hi"}, Described("user", "hi")),
        (
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "look"},
                    {"type": "input_image", "image_url": IMAGE},
                    {"type": "input_image", "image_url": "https://example.org/a.png"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "B" * 500},
                ],
            },
            Described(
                "user",
                "look",
                (
                    "image, image/png, 2.0 kB of base64",
                    "image, https://example.org/a.png",
                    "file, a.pdf, 500 bytes of base64",
                ),
            ),
        ),
        (
            {
                "type": "message",
                "role": "assistant",
                "content": [
                    {"type": "output_text", "text": "one", "annotations": [{}, {}]},
                    {"type": "refusal", "refusal": "no"},
                ],
            },
            Described("assistant", "one\n\nno", ("2 annotations", "a refusal")),
        ),
        (
            {"type": "reasoning", "summary": [{"text": "a"}, {"text": "b"}], "encrypted_content": "x" * 1200},
            Described("reasoning", "a\n\nb", ("encrypted: 1,200 characters",)),
        ),
        (
            {"type": "function_call", "name": "bash", "call_id": "c1", "arguments": "{}"},
            Described("tool call · bash · c1", "{}", (), "json"),
        ),
        (
            {"type": "custom_tool_call", "name": "apply_patch", "call_id": "c1", "input": "*** Begin\n+a"},
            Described("tool call · apply_patch · c1", "*** Begin\n+a", (), "code"),
        ),
        (
            {"type": "local_shell_call", "call_id": "c1", "action": {"command": ["ls"]}, "status": "in_progress"},
            Described("shell call · c1", '{"command": ["ls"]}', ("in_progress",), "json"),
        ),
        (
            {"type": "function_call_output", "call_id": "c1", "output": "a\nb"},
            Described("tool output · c1", "a\nb", (), "code"),
        ),
        (
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "a"}]},
            Described("tool output · c1", "a", (), "code"),
        ),
        (
            {"type": "local_shell_call_output", "call_id": "c1", "output": {"code": 1}},
            Described("tool output · c1 (local_shell_call_output)", '{"code": 1}', (), "json"),
        ),
        (
            {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
            Described("web search", '{"type": "search", "query": "q"}', (), "json"),
        ),
        (
            {"type": "mcp_call", "server_label": "docs", "name": "find", "arguments": "{}", "output": "x" * 30},
            Described("MCP call · docs · find", "{}", ("output: 30 characters",), "json"),
        ),
        (
            {"type": "mcp_call", "name": "find", "error": "it broke"},
            Described("MCP call · find", "", ("error: it broke",), "json"),
        ),
        (
            {"type": "image_generation_call", "result": "x" * 1_200_000, "revised_prompt": "a cat"},
            Described("image generation", "a cat", ("image, 1.2 MB of base64",)),
        ),
        (
            {"type": "compaction", "encrypted_content": "x" * 10},
            Described("compaction", "", ("encrypted: 10 characters",)),
        ),
        ({"type": "news", "id": "n1", "headline": "h"}, Described("news", '{"headline": "h"}', (), "json")),
        (7, Described("no item", "7", (), "json")),
    ],
    ids=lambda value: value.title if isinstance(value, Described) else "",
)
def test_every_kind_of_item_is_described(item: Any, described: Described) -> None:
    assert describe(item) == described


def test_long_names_are_truncated() -> None:
    item = {"type": "function_call", "name": "n" * 1000 + "\n\x1b[31m", "call_id": "c\x07", "arguments": ""}
    assert describe(item).title == f"tool call · {'n' * 63}… · c"


members = st.sampled_from(
    [
        "summary",
        "content",
        "action",
        "result",
        "arguments",
        "input",
        "annotations",
        "image_url",
        "encrypted_content",
        "output",
        "error",
        "status",
        "name",
        "call_id",
        "results",
        "role",
        "filename",
        "file_data",
        "refusal",
        "text",
    ]
)
kinds = st.sampled_from(
    [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "web_search_call",
        "mcp_call",
        "input_image",
        "image_generation_call",
        "computer_call_output",
        "custom_tool_call",
        "refusal",
        "input_file",
    ]
)
odd = st.recursive(
    anything,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.builds(lambda kind, rest: {**rest, "type": kind}, kinds, st.dictionaries(members, inner, max_size=4))
    ),
    max_leaves=6,
)


def texts_of(item: Any) -> list[str]:
    """Return what a message says, or what a function is called with."""
    members = item if isinstance(item, dict) else {}
    kind, content, arguments = (members.get(name) for name in ("type", "content", "arguments"))
    if kind == "function_call":
        return [arguments] if isinstance(arguments, str) else []
    if isinstance(kind, str) and kind not in ("", "message"):
        return []
    parts = [{"text": content}] if isinstance(content, str) else content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return [text for text in texts if isinstance(text, str)]


@given(odd)
def test_whatever_an_item_is_its_texts_are_shown(item: Any) -> None:
    title, text, notes, _form = describe(item)
    assert all(line.isprintable() and len(line) < 500 for line in (title, *notes))
    assert all(each in text for each in texts_of(item))
