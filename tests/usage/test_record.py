"""Records of calls: plain values that survive JSON, also as release 0.1 wrote them into flow files."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import old_record

from codex_transform.jsonio import to_plain
from codex_transform.usage.record import CacheVerdict, InstructionsSource, Record, Tokens
from codex_transform.usage.record_reader import read_record

TOKENS = st.builds(Tokens, input=st.integers(0), cached=st.integers(0), output=st.integers(0))
RECORDS = st.builds(
    Record,
    tokens=st.none() | TOKENS,
    instructions=st.none() | st.builds(InstructionsSource),
    cache=st.none() | st.builds(CacheVerdict),
    at=st.floats(0, 1e10),
    first_token=st.none() | st.floats(0, 1e6),
    total=st.none() | st.floats(0, 1e6),
)


def test_a_record_of_an_older_release_is_read() -> None:
    record = read_record(old_record.RECORD)
    assert record
    assert (record.at, record.model, record.events, record.repaired) == (1799999000.5, "gpt-5.1-codex", 231, ("model",))
    assert record.tokens == Tokens(input=12345, cached=1024, output=480, reasoning=320)
    assert record.cache
    assert record.cache.says == "effort high → low by the client: 11.3k not cached"
    assert (record.cache.cause, record.cache.expected, record.cache.missed) == ("effort", 1024, 11264)


@given(RECORDS)
def test_a_record_survives_json(record: Record) -> None:
    assert read_record(json.loads(json.dumps(to_plain(record)))) == record


@given(RECORDS)
def test_a_record_holds_nothing_but_plain_values(record: Record) -> None:
    # These are the types that mitmproxy can write into a flow file.
    def check(value: object) -> None:
        assert value is None or type(value) in (str, int, float, bool, list, dict)
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            check(each)

    check(to_plain(record))


@pytest.mark.parametrize("value", [None, [], "completed", {}, {"at": "noon"}, {"at": 1.0, "tokens": 7}])
def test_what_is_no_record_is_none(value: object) -> None:
    assert read_record(value) is None


def test_the_cached_share_of_the_input() -> None:
    assert Tokens(input=200, cached=50).cached_share == 0.25
    assert Tokens().cached_share == 0.0
