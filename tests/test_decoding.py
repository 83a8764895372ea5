"""Content encodings: complete, in pieces, truncated and damaged; every byte is forwarded as soon as possible."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress

import brotli  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from response.streams import answer, block, events_of, outcome, pieces, run, stream

from codex_transform.decoding import MAX_DECODED, DecodingError, decode, decoder_for
from codex_transform.errors import ApiError
from codex_transform.response.client_view import ClientView
from codex_transform.response.events_to_response import collect, events_to_response
from codex_transform.response.stream import ResponseStream
from codex_transform.zstd import zstd

ANSWER = answer("Streamed through a compressor", cuts=8)
DATA = stream(ANSWER)


def _flushing_zlib(bits: int) -> Callable[[list[bytes]], Iterator[bytes]]:
    def encode(parts: list[bytes]) -> Iterator[bytes]:
        compressor = zlib.compressobj(wbits=bits)
        for part in parts:
            yield compressor.compress(part) + compressor.flush(zlib.Z_SYNC_FLUSH)
        yield compressor.flush()

    return encode


def _flushing_brotli(parts: list[bytes]) -> Iterator[bytes]:
    compressor = brotli.Compressor()
    for part in parts:
        yield compressor.process(part) + compressor.flush()
    yield compressor.finish()


def _flushing_zstd(parts: list[bytes]) -> Iterator[bytes]:
    compressor = zstd.ZstdCompressor()
    for part in parts:
        yield compressor.compress(part, compressor.FLUSH_BLOCK)
    yield compressor.flush()


# The last piece of each ends the encoding; all others end with a flush.
ENCODERS: dict[str, Callable[[list[bytes]], Iterator[bytes]]] = {
    "gzip": _flushing_zlib(31),
    "deflate": _flushing_zlib(15),
    "deflate, bare": _flushing_zlib(-15),
    "br": _flushing_brotli,
    "zstd": _flushing_zstd,
}
encodings = pytest.mark.parametrize("encoding", ENCODERS)


def encoded(encoding: str, data: bytes = DATA) -> bytes:
    return b"".join(ENCODERS[encoding]([data]))


def header(encoding: str) -> str:
    return encoding.removesuffix(", bare")


@encodings
@given(at=st.lists(st.integers(0, 2000), max_size=12))
def test_data_is_decoded_however_it_is_split(encoding: str, at: list[int]) -> None:
    data = encoded(encoding)
    assert run(pieces(data, at), encoding=header(encoding)) == DATA
    assert run((data[at : at + 1] for at in range(len(data))), encoding=header(encoding)) == DATA


@encodings
def test_flushed_data_is_forwarded_at_once(encoding: str) -> None:
    live = ResponseStream(ClientView(), header(encoding))
    *flushed, last = ENCODERS[encoding]([block(event) for event in ANSWER])
    for event, piece in zip(ANSWER, flushed, strict=True):
        assert live.feed(piece) == block(event)
    assert live.feed(last) + live.finish() == b""


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_frames_may_follow_each_other(encoding: str) -> None:
    data = encoded(encoding, DATA[:700]) + encoded(encoding, DATA[700:])
    for size in (1, 9, len(data)):
        assert run((data[at : at + size] for at in range(0, len(data), size)), encoding=encoding) == DATA


@encodings
def test_a_truncated_stream_ends_in_an_error_or_is_complete(encoding: str) -> None:
    data = encoded(encoding)
    for length in range(0, len(data) - 12, 7):
        got = outcome([data[:length]], encoding=header(encoding))
        if isinstance(got, bytes):
            assert events_of(got)[-1]["type"] in ("error", "response.completed")
        else:
            assert (*got[:1], got[1]["error"]["code"]) == (502, "stream_cut" if length else "empty_answer")


@encodings
def test_a_missing_end_of_the_encoding_after_the_last_event_is_ignored(encoding: str) -> None:
    *flushed, _ = ENCODERS[encoding]([DATA])
    assert run(flushed, encoding=header(encoding)) == DATA
    collected = collect(b"".join(flushed), ResponseStream(ClientView(), header(encoding)))
    assert events_to_response(collected)["status"] == "completed"


@encodings
@given(place=st.integers(0, 600), value=st.integers(0, 255), at=st.lists(st.integers(0, 600), max_size=5))
def test_damaged_data_gives_bytes_or_an_error(encoding: str, place: int, value: int, at: list[int]) -> None:
    data = bytearray(encoded(encoding))
    data[place % len(data)] = value
    got = outcome(pieces(bytes(data), at), encoding=header(encoding))
    assert isinstance(got, bytes) or got[0] == 502


@given(st.sampled_from([*ENCODERS]), st.binary(max_size=60))
def test_any_bytes_survive_encoding_and_what_is_not_encoded_is_refused(encoding: str, data: bytes) -> None:
    assert decode(header(encoding), encoded(encoding, data)) == data
    with suppress(DecodingError):  # a few random bytes may be a valid encoding
        assert len(decode(header(encoding), data)) < 10_000


def test_encodings_are_undone_in_reverse() -> None:
    assert run([brotli.compress(gzip.compress(DATA))], encoding="gzip, br") == DATA
    assert run([zstd.compress(zlib.compress(DATA))], encoding="Deflate,identity , ZSTD") == DATA
    assert decode("x-gzip", gzip.compress(DATA)) == DATA


@pytest.mark.parametrize("no_encoding", [None, "", "identity", " Identity ,"])
def test_no_encoding_needs_no_decoder(no_encoding: str | None) -> None:
    assert decoder_for(no_encoding) is None
    assert decode(no_encoding, DATA) == DATA


@pytest.mark.parametrize("encoding", ["compress", "gzip, nonsense", "dcb"])
def test_an_unknown_encoding_is_an_error(encoding: str) -> None:
    for act in (
        lambda: run([DATA], encoding=encoding),
        lambda: events_to_response(collect(DATA, ResponseStream(ClientView(), encoding))),
    ):
        with pytest.raises(ApiError, match="unknown content encoding") as caught:
            act()
        assert caught.value.status == 502


@encodings
def test_a_single_byte_is_not_enough(encoding: str) -> None:
    with pytest.raises(DecodingError):
        decode(header(encoding), encoded(encoding)[:1])


@encodings
def test_no_bytes_at_all_are_no_error(encoding: str) -> None:
    assert decode(header(encoding), b"") == b""


@pytest.mark.gate
@encodings
def test_decoded_data_is_bounded(encoding: str) -> None:
    """As much as a response may have is decoded; more is an error, long before all of it is in memory."""
    assert decode(header(encoding), encoded(encoding, bytes(MAX_DECODED))) == bytes(MAX_DECODED)
    with pytest.raises(DecodingError, match="64 MB"):
        decode(header(encoding), encoded(encoding, bytes(MAX_DECODED + 1)))


def test_without_zstd_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a mitmproxy before 12.3 and nothing else installed."""
    monkeypatch.setattr("codex_transform.decoding.zstd", None)
    with pytest.raises(DecodingError, match=r"-m pip install backports\.zstd"):
        decode("zstd", zstd.compress(DATA))
    assert decode("gzip", gzip.compress(DATA)) == DATA
