"""The page on a request."""

import gzip
import json
import time
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request.test_properties import anything, contexts, requests

from codex_transform.clients.client import OPENCODE
from codex_transform.inspect.request import render
from codex_transform.inspect.text import WIDTH
from codex_transform.jsonio import dumps
from codex_transform.opencode.config import ModelOptions
from codex_transform.request import Context, Transformed, transform
from codex_transform.request.client_request import read_request
from codex_transform.text import display_width, sanitize
from codex_transform.usage.record import FailedAttempt, InstructionsSource, Record
from codex_transform.usage.record_reader import read_record

BODY: dict[str, Any] = {
    "model": "gpt-5-codex-high",
    "instructions": "Be brief.",
    "prompt_cache_key": "ses_1",
    "temperature": 0.2,
    "tools": [
        {"type": "function", "name": "bash", "parameters": {}},
        {"type": "custom", "name": "apply_patch"},
        {"type": "web_search"},
    ],
    "input": [
        {"role": "user", "content": "fix the bug\n\nin a.py\nplease", "id": "msg_1"},
        {"type": "reasoning", "summary": [], "encrypted_content": "x" * 1200},
        {"type": "function_call", "name": "bash", "call_id": "c1", "arguments": '{"command":"ls"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "a.py\nb.py\nc.py"},
        {"type": "function_call_output", "call_id": "c0", "output": "left over"},
    ],
}
SOURCE = InstructionsSource(ref="main", sha256="ab" * 32, chars=17)
RECORD = Record(at=0, asked="gpt-5-codex-high", model="gpt-5.1-codex", instructions=SOURCE)


def transformed(body: dict[str, Any], using: Context | None = None) -> Transformed:
    using = using or Context(
        OPENCODE, mode=True, options_for=lambda _: ModelOptions(), instructions=lambda _, __: "Text for Codex."
    )
    return transform(read_request(dumps(body)).body, using)


def sent(body: dict[str, Any], using: Context | None = None) -> bytes:
    return dumps(transformed(body, using).body)


def record_of(body: dict[str, Any], using: Context | None = None) -> Record:
    """The record of a call."""
    return replace(RECORD, changes=transformed(body, using).changes.collect())


def original_of(body: Any, **more: Any) -> dict[str, Any]:
    return {"method": "POST", "url": "u", "headers": [], "content": json.dumps(body).encode(), **more}


def test_all_sections_of_the_page() -> None:
    page = render(sent(BODY), record_of(BODY), original_of(BODY)).split("\n")
    size = f"{len(sent(BODY)) / 1000:.1f} kB"
    digest = sha256(b"Text for Codex.").hexdigest()[:12]
    assert page[:6] == [
        "Model         gpt-5-codex-high → gpt-5.1-codex · effort high",
        "Asked         assistant: [result of an earlier tool call c0] left over",
        f"Instructions  Codex CLI, branch main · 15 characters · sha256 {digest}",
        "Conversation  ses_1",
        f"Size          7 items · 3 tools · {size}",
        "",
    ]
    headings = [line.strip("─ ") for line in page if line.startswith("── ")]
    assert headings == ["what the addon changed", "3 tools", "conversation: 7 items (+ added, ~ changed)"]
    assert "~ model: gpt-5-codex-high → gpt-5.1-codex" in page
    assert "- temperature: 0.2" in page
    assert page[page.index("- temperature: 0.2") + 1] == "    Codex endpoints reject this field."
    assert "bash, apply_patch (custom), web_search" in page
    begin = page.index(next(line for line in page if line.startswith("+ [0]")))
    assert page[begin + 3 :] == [
        "+ [1] developer · 9 characters",
        "      Be brief.",
        "  [2] user · 27 characters",
        "      fix the bug",
        "      in a.py",
        "  [3] reasoning · encrypted: 1,200 characters",
        "  [4] tool call · bash · c1 · 16 characters",
        '      {"command":"ls"}',
        "  [5] tool output · bash · c1 · 14 characters",
        "      a.py",
        "      b.py",
        "~ [6] assistant · 45 characters",
        "      [result of an earlier tool call c0]",
        "      left over",
    ]
    assert all(display_width(line) <= WIDTH for line in page)


@pytest.mark.parametrize(
    ("last", "asked"),
    [
        ([{"role": "user", "content": "and\n\nnow?"}], "user: and now?"),
        ([{"type": "function_call_output", "call_id": "c1", "output": "a.py"}], "tool output · bash · c1: a.py"),
        ([{"type": "function_call_output", "call_id": "c9", "output": ""}], "tool output · c9"),
        ("a text alone", "a text alone"),
        ([7], "no item: 7"),
    ],
)
def test_the_newest_item_is_shown_at_the_top(last: Any, asked: str) -> None:
    items = [*BODY["input"], *last] if isinstance(last, list) else last
    assert f"\nAsked         {asked}\n" in render(dumps({"model": "gpt-5.2", "input": items}))


def test_the_newest_item_takes_at_most_two_lines_at_the_top() -> None:
    page = render(dumps({"model": "gpt-5.2", "input": [{"role": "user", "content": "word " * 100_000}]})).split("\n")
    assert page[1].startswith("Asked         user: word word")
    assert page[2].startswith("              word")
    assert page[3].startswith("Size ")


def test_an_unchanged_request_says_so() -> None:
    body = sent(BODY)
    page = render(body, record_of(json.loads(body)), original_of(json.loads(body)))
    assert "── what the addon changed" in page
    assert "\nNothing.\n" in page
    assert "\nNothing.\n" in render(body, record_of(json.loads(body)))


def test_the_reasons_are_shown_without_the_clients_body_too() -> None:
    page = render(sent(BODY), record_of(BODY)).split("\n")
    assert page[page.index("- temperature") + 1] == "    Codex endpoints reject this field."
    assert "~ [6] assistant · 45 characters" in page


def test_before_the_call_ends_the_changes_have_no_reasons() -> None:
    page = render(sent(BODY), None, original_of(BODY))
    assert "\nThe reasons are recorded when the call ends.\n" in page
    assert "\n- temperature: 0.2\n" in page


# A record as a release without notes wrote it into flow files.
OLD = {
    "id": "abcd1234",
    "at": 1_800_000_000.5,
    "asked": "gpt-5-codex-high",
    "model": "gpt-5.1-codex",
    "effort": "high",
    "verbosity": None,
    "conversation": "ses_1",
    "streaming": True,
    "items": 7,
    "tools": 3,
    "bytes": 2048,
    "instructions": {"ref": "main", "sha256": "ab" * 32, "chars": 17},
    "status": 200,
    "outcome": "completed",
    "error": None,
    "code": None,
    "repaired": [],
    "events": 9,
    "tokens": {"input": 100, "cached": 50, "output": 7, "reasoning": 0},
    "first_token": 0.5,
    "total": 1.5,
    "cache": {"cause": "first", "says": "first request", "expected": None, "missed": 0, "by": None},
}


def test_a_record_of_an_older_release_has_no_reasons() -> None:
    old = read_record(OLD)
    assert old
    page = " ".join(render(sent(BODY), old, original_of(BODY)).split())
    assert "The reasons are not known: an older release of codex-transform recorded this call." in page
    assert "~ model: gpt-5-codex-high → gpt-5.1-codex" in page
    assert "- temperature: 0.2" in page
    assert "by another addon" not in page
    assert "codex_keep_mb" in render(sent(BODY), old)


def test_a_refused_request_is_shown_as_not_sent() -> None:
    refused = Record(at=0, status=400, outcome="error", error="`input` must be a list")
    page = render(b'{"model": "gpt-5.2", "input": 3}', refused, original_of({"model": "gpt-5.2", "input": 3}))
    assert page.startswith("FAILED · HTTP 400: `input` must be a list\nThe Response tab shows what to do.\n")
    assert "\nNothing: it was not sent.\n" in page
    assert '"input": 3' in page


@pytest.mark.parametrize(
    ("record", "original", "why"),
    [
        (RECORD, None, "codex_keep_mb"),
        (None, None, "the flow was saved without"),
        (RECORD, original_of(None, content=b"no JSON"), "not a JSON object"),
        (RECORD, original_of([1]), "not a JSON object"),
        (RECORD, {"method": "POST"}, "not a JSON object"),
        (RECORD, original_of(None, content=b"x", headers=[["content-encoding", "gzip"]]), "not a JSON object"),
        (RECORD, original_of(None, content="x", headers=7), "not a JSON object"),
    ],
)
def test_the_page_says_why_the_changes_are_unknown(record: Record | None, original: Any, why: str) -> None:
    page = render(sent(BODY), record, original)
    assert "\nNot known: " in page
    assert why in " ".join(page.split())
    assert "Model         gpt-5" in page
    assert "fix the bug" in page


def test_a_compressed_original_is_decoded() -> None:
    compressed = gzip.compress(json.dumps(BODY).encode())
    original = original_of(None, content=compressed, headers=[["host", "h"], ["Content-Encoding", "gzip"]])
    assert render(sent(BODY), RECORD, original) == render(sent(BODY), RECORD, original_of(BODY))


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("main", "Codex CLI, branch main"),
        ("rust-v0.150.1", "Codex CLI, release rust-v0.150.1"),
        ("bundled", "codex-transform's own text"),
        ("file", "codex_instructions_file"),
    ],
)
def test_the_source_of_the_instructions_is_named(ref: str, words: str) -> None:
    source = replace(SOURCE, ref=ref)
    assert words in render(sent(BODY), replace(RECORD, instructions=source))


def test_the_middle_of_a_long_conversation_is_omitted() -> None:
    items = [{"role": "user", "content": f"text {number}"} for number in range(5000)]
    body = {"model": "gpt-5.1-codex", "input": items}
    began = time.process_time()
    page = render(sent(body), record_of(body), original_of(body))
    assert time.process_time() - began < 1.5  # 0.1 s on an idle machine
    lines = page.split("\n")
    assert "      [cut: items 40 to 4,839]" in lines
    assert "  [39] user · 7 characters" in lines
    assert "  [40] user · 7 characters" not in lines
    assert lines[-1] == "      text 4999"
    assert len(lines) < 500


def test_comparing_with_a_different_original_is_quick_and_bounded() -> None:
    one = {"model": "gpt-5.2", "input": [{"role": "user", "content": f"one {number}"} for number in range(5000)]}
    other = {"model": "gpt-5.2", "input": [{"role": "user", "content": f"two {number}"} for number in range(5000)]}
    began = time.process_time()
    page = render(json.dumps(other).encode(), RECORD, original_of(one))
    assert time.process_time() - began < 2  # 0.1 s on an idle machine
    assert "~ input: 5,000 items → 5,000 items" in page
    assert len(page) < 60_000


def test_a_deeply_nested_body_is_rendered() -> None:
    deep = b'{"model": "m", "input": [' + b'{"a":' * 700 + b"1" + b"}" * 700 + b"]}"
    assert "conversation: 1 item" in render(deep, RECORD, {"content": deep})


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"\xff\x00", b'"x"'])
def test_a_body_that_is_no_request_is_shown_unchanged(body: bytes) -> None:
    assert render(body).startswith("This is not a request of the Responses API. Its body:\n\n")


@given(requests, contexts, st.booleans())
def test_any_request_is_rendered(body: dict[str, Any], using: Context, recorded: bool) -> None:
    page = render(sent(body, using), record_of(body, using) if recorded else None, original_of(body))
    assert page == sanitize(page)
    assert "by another addon" not in page


names = st.sampled_from(["model", "input", "instructions", "reasoning", "text", "include", "store", "tools", "x"])
bodies = st.dictionaries(names, anything | st.lists(anything, max_size=4), max_size=6)


@given(bodies, bodies)
def test_any_json_is_rendered(body: dict[str, Any], original: dict[str, Any]) -> None:
    page = render(dumps(body), None, original_of(original))
    assert page
    assert page == sanitize(page)


def test_refused_attempts_are_listed() -> None:
    refused = FailedAttempt(rule="parameter", refused="HTTP 400: No include.", done="sent again without include")
    page = render(sent(BODY), replace(RECORD, attempts=(refused,)))
    assert "2 attempts" in page
    assert "refused: HTTP 400: No include." in page
    assert "then sent again without include" in page
    assert "attempt" not in render(sent(BODY), RECORD)
