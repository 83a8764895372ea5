"""Fingerprints of requests: equal parts have equal hashes, others differ, and no content is kept."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.request.client_request import read_request
from codex_transform.usage.fingerprint import fingerprint, item_kind, items_of, tool_name

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("model", "reasoning", "instructions", "tools", "input")
REQUESTS = st.fixed_dictionaries({}, optional={name: JSON | st.lists(JSON) for name in FIELDS})

REQUEST: dict[str, Any] = {
    "model": "gpt-5.1",
    "reasoning": {"effort": "high"},
    "instructions": "Be brief.",
    "tools": [{"type": "function", "name": "bash"}, {"type": "web_search"}, {}],
    "input": [{"type": "message", "role": "user", "content": "hello"}, {"type": "function_call", "name": "bash"}],
}


def test_what_a_fingerprint_keeps() -> None:
    kept = fingerprint(REQUEST)
    assert (kept.model, kept.effort) == ("gpt-5.1", "high")
    assert [name for name, _ in kept.tools] == ["bash", "web_search", "unnamed"]
    assert len(kept.items) == 2
    assert len(kept.sizes) == 1 + 3 + 2
    written = [REQUEST["instructions"], *REQUEST["tools"], *REQUEST["input"]]
    assert kept.size == sum(len(json.dumps(part, separators=(",", ":"))) for part in written)


@pytest.mark.parametrize("style", [{}, {"separators": (",", ":")}, {"indent": 2}])
def test_a_fingerprint_does_not_depend_on_how_a_client_writes_json(style: dict[str, Any]) -> None:
    request = read_request(json.dumps(REQUEST, **style).encode())
    assert fingerprint(request.body) == fingerprint(request.parse()) == fingerprint(REQUEST)


@given(REQUESTS)
def test_any_request_has_a_fingerprint_and_equal_requests_the_same(request: dict[str, Any]) -> None:
    again = json.loads(json.dumps(request))
    assert fingerprint(request) == fingerprint(again)
    assert fingerprint(request).size > 0


@given(REQUESTS)
def test_no_text_of_the_conversation_is_kept(request: dict[str, Any]) -> None:
    # The names of models, efforts and tools are kept; nothing else may be.
    secret = "a-word-of-the-conversation"
    request |= {
        "instructions": secret,
        "tools": [{"name": "bash", "description": secret}],
        "input": [secret, {"role": "user", "content": secret}, {"type": secret}],
    }
    assert secret not in repr(fingerprint(request))


def test_lone_surrogates_are_told_apart() -> None:
    assert fingerprint({**REQUEST, "input": ["\ud800"]}) != fingerprint({**REQUEST, "input": ["\ud801"]})


def test_an_item_that_cannot_be_parsed_is_compared_by_its_bytes() -> None:
    one, other = (
        b'{"model": "m", "input": [{"type": "x", "value": ' + digit * 5000 + b'}], "user": "' + b"x" * 20_000 + b'"}'
        for digit in (b"8", b"9")
    )
    assert fingerprint(read_request(one).body).items == fingerprint(read_request(one).body).items
    assert fingerprint(read_request(one).body).items != fingerprint(read_request(other).body).items


def test_the_common_prefix_of_two_requests() -> None:
    longer = fingerprint({**REQUEST, "input": [*REQUEST["input"], "more"]})
    other = fingerprint({**REQUEST, "input": [REQUEST["input"][0], "other", "more"], "tools": REQUEST["tools"][:1]})
    assert fingerprint(REQUEST).same_items(longer) == longer.same_items(fingerprint(REQUEST)) == 2
    assert longer.same_items(other) == 1
    assert longer.same_tools(other) == 1


def test_parts_are_named_by_kind() -> None:
    assert items_of({"input": "hello"}) == ["hello"]
    assert items_of({"input": 5}) == items_of({}) == []
    kinds = [item_kind(item) for item in [*REQUEST["input"], {"role": "developer"}, {"type": "message"}, "text", {}]]
    assert kinds == ["user", "function_call", "developer", "message", "text", "message"]
    assert tool_name({"name": 5, "type": "x"}) == "unnamed"


def test_a_long_conversation_takes_little_time() -> None:
    items = [{"type": "function_call_output", "call_id": f"c{n}", "output": f"line {n}\n" * 200} for n in range(1800)]
    request = {**REQUEST, "input": items}
    assert len(json.dumps(request)) > 3_400_000
    times = []
    for _ in range(5):
        start = time.process_time()
        fingerprint(request)
        times.append(time.process_time() - start)
    # A few milliseconds; ten times that on a slow machine.
    assert min(times) < 0.05
