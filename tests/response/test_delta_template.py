"""Deltas recognised by their bytes: never one too many, whatever they contain."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from response.streams import answer, block

from codex_transform.response.delta_template import DeltaTemplate, build, joined_deltas, match_nothing, read_deltas

DELTA = answer()[4]
MEMBERS = [b'"%b":' % name.encode() for name in ("type", "sequence_number", "item_id", "output_index", "content_index")]

# The orders in which members come: as the API writes them today, as it did, with the text last, sorted.
ORDERS = [
    "type content_index delta item_id logprobs obfuscation output_index sequence_number",
    "type sequence_number item_id output_index content_index delta logprobs obfuscation",
    "type item_id output_index content_index delta sequence_number",
    "type content_index item_id output_index sequence_number delta",
    "content_index delta item_id logprobs obfuscation output_index sequence_number type",
    "content_index delta type item_id output_index sequence_number",
]


def written(event: dict[str, Any], order: str = ORDERS[0], **more: Any) -> bytes:
    return block({name: event[name] for name in order.split() if name in event}, **more)


def shape(block: bytes) -> DeltaTemplate:
    found = build(block, MEMBERS)
    assert found is not None
    return found


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("order", ORDERS)
@given(
    texts=st.lists(
        st.text(max_size=20) | st.sampled_from(['"', "\\", '\\"', "item_id", '","item_id":"', "\n\n"]), max_size=6
    ),
    number=st.integers(0, 10**9),
)
def test_deltas_of_one_shape_are_recognised(order: str, end: bytes, texts: list[str], number: int) -> None:
    known = shape(written(DELTA, order, end=end))
    events = [
        written({**DELTA, "delta": text, "sequence_number": number + at, "obfuscation": text}, order, end=end)
        for at, text in enumerate(texts)
    ]
    assert all(map(known.matches, events))
    data = b"".join(events)
    for after in (b"", b'event: response.done\ndata: {"type":"response.done"}\n\n'):
        assert known.match_run(data + after, 0) == (len(data), len(events))
    assert read_deltas(joined_deltas(data)) == "".join(texts)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["type", "sequence_number", "item_id", "output_index", "content_index"])
def test_a_delta_that_lacks_a_member_is_not_recognised(order: str, name: str) -> None:
    known = shape(written(DELTA, order))
    bare = {key: value for key, value in DELTA.items() if key != name}
    assert not known.matches(written(bare, order, name=DELTA["type"]))
    for text in (f'"{name}":', f'","{name}":"x', json.dumps({name: "ms"}), name):
        tricky = {**bare, "delta": text, "obfuscation": text}
        assert not known.matches(written(tricky, order, name=DELTA["type"]))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("other", ["", None, "msg_2"])
def test_another_item_is_another_shape(order: str, other: str | None) -> None:
    assert not shape(written(DELTA, order)).matches(written({**DELTA, "item_id": other}, order))


@pytest.mark.parametrize("order", ORDERS)
def test_another_type_is_another_shape(order: str) -> None:
    for name in (None, DELTA["type"]):
        other = written({**DELTA, "type": "response.done"}, order, name=name)
        assert not shape(written(DELTA, order, name=name)).matches(other)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        written(DELTA)[:-1],
        written(DELTA)[:-2],
        written(DELTA)[:60],
        written(DELTA, end=b"\r\n"),
        written(DELTA, end=b"\r"),
        written(DELTA, name=None),
        written(DELTA, name="response.done"),
        b"\n" + written(DELTA),
        written(DELTA)[:-2] + b"\r\rdata: {}\n\n",
        written(DELTA)[:-2] + b"\ndata: more}\n\n",
    ],
)
def test_anything_else_is_not_recognised(data: bytes) -> None:
    known = shape(written(DELTA))
    assert not known.matches(data)
    assert known.match_run(data, 0) == (0, 0)
    assert known.match_run(written(DELTA) + data, 0) == (len(written(DELTA)), 1)


def test_two_events_are_not_taken_for_one() -> None:
    good, bad = written(DELTA), written({**DELTA, "type": "response.refusal.delta"})
    for between in (b"", bad, b": ping\n\n", b"data: x\n"):
        assert not shape(good).matches(good + between + good)


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"type":"response.x.delta"}\n\n',
        written({name: value for name, value in DELTA.items() if name != "delta"}),
        written(DELTA, end=b"\r"),
        written(DELTA, end=b"\r\n")[:-1],
        written({**DELTA, "logprobs": ["x" * 600]}),
    ],
)
def test_nothing_is_learned_from_what_does_not_come_in_runs(event: bytes) -> None:
    assert build(event, MEMBERS) is None


@given(st.binary(max_size=6), st.integers(0, 6))
def test_nothing_is_recognised_before_anything_is_learned(data: bytes, start: int) -> None:
    assert DeltaTemplate(match_nothing).match_run(data, start) == (start, 0)
