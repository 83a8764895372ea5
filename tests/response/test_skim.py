"""Deltas recognised by their bytes: never one too many, whatever they say."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from response.streams import answer, block

from codex_transform.response.skim import Skimmer

DELTA = answer()[4]
MEMBERS = [b'"%b":' % name.encode() for name in ("sequence_number", "item_id", "output_index", "content_index")]

# The orders in which members come: as the API writes them today, as it did, sorted, with the text last.
ORDERS = [
    "type content_index delta item_id logprobs obfuscation output_index sequence_number",
    "type sequence_number item_id output_index content_index delta logprobs obfuscation",
    "type item_id output_index content_index delta sequence_number",
    "type content_index item_id output_index sequence_number delta",
]


def written(event: dict[str, Any], order: str = ORDERS[0], **more: Any) -> bytes:
    return block({name: event[name] for name in order.split() if name in event}, **more)


def skimmer(block: bytes) -> Skimmer:
    made = Skimmer()
    made.learn(block, MEMBERS)
    return made


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("order", ORDERS)
@given(
    texts=st.lists(
        st.text(max_size=20) | st.sampled_from(['"', "\\", '\\"', "item_id", '","item_id":"', "\n\n"]), max_size=6
    ),
    number=st.integers(0, 10**9),
    item=st.sampled_from(["msg_1", "msg_0a1b2c3d4e"]),
)
def test_deltas_of_one_kind_are_recognised(order: str, end: bytes, texts: list[str], number: int, item: str) -> None:
    known = skimmer(written(DELTA, order, end=end))
    event = {**DELTA, "item_id": item}
    data = b"".join(
        written({**event, "delta": text, "sequence_number": number + at, "obfuscation": text}, order, end=end)
        for at, text in enumerate(texts)
    )
    assert known.skim(data, 0) == len(data)
    assert known.count == len(texts)
    assert known.last == (
        written(
            {**event, "delta": texts[-1], "sequence_number": number + len(texts) - 1, "obfuscation": texts[-1]},
            order,
            end=end,
        )
        if texts
        else b""
    )
    after = data + b'event: response.done\ndata: {"type":"response.done"}\n\n'
    assert known.skim(after, 0) == len(data)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["type", "sequence_number", "item_id", "output_index", "content_index"])
def test_a_delta_that_lacks_a_member_is_not(order: str, name: str) -> None:
    known = skimmer(written(DELTA, order))
    bare = {key: value for key, value in DELTA.items() if key != name}
    assert known.skim(block(bare, name=DELTA["type"]), 0) == 0
    for text in (f'"{name}":', f'","{name}":"x', json.dumps({name: "ms"}), name):
        tricky = {**bare, "delta": text, "obfuscation": text}
        assert known.skim(written(tricky, order, name=DELTA["type"]), 0) == 0


def test_an_empty_item_id_is_none() -> None:
    for order in ORDERS:
        assert skimmer(written(DELTA, order)).skim(written({**DELTA, "item_id": ""}, order), 0) == 0
        assert skimmer(written(DELTA, order)).skim(written({**DELTA, "item_id": None}, order), 0) == 0


@pytest.mark.parametrize(
    "data",
    [
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
        written({**DELTA, "type": "response.refusal.delta"}),
    ],
)
def test_anything_else_is_not(data: bytes) -> None:
    known = skimmer(written(DELTA))
    assert not known.knows(data)
    assert known.skim(data, 0) == 0
    assert known.skim(written(DELTA) + data, 0) == len(written(DELTA))


def test_two_events_are_not_one() -> None:
    good, bad = written(DELTA), written({**DELTA, "type": "response.refusal.delta"})
    for between in (b"", bad, b": ping\n\n", b"data: x\n"):
        assert not skimmer(good).knows(good + between + good)


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"type":"response.x.delta"}\n\n',
        written({name: value for name, value in DELTA.items() if name != "delta"}),
        written(DELTA, end=b"\r"),
        written(DELTA, end=b"\r\n")[:-1],
        written({**DELTA, "item_id": "m" * 30, "logprobs": ["x" * 600]}),
    ],
)
def test_nothing_is_learned_from_what_does_not_come_in_runs(event: bytes) -> None:
    assert skimmer(event).skim(event, 0) == 0


@given(st.binary(max_size=6), st.integers(0, 6))
def test_nothing_is_recognised_before_anything_is_learned(data: bytes, start: int) -> None:
    assert Skimmer().skim(data, start) == start


def test_what_was_known_before_is_forgotten() -> None:
    known = skimmer(written(DELTA))
    other = written({**DELTA, "type": "response.refusal.delta"})
    known.learn(other, MEMBERS)
    assert known.skim(other, 0) == len(other)
    assert known.skim(written(DELTA), 0) == 0
    assert known.last == other
