"""Decode content encodings (RFC 9110 section 8.4) while the bytes arrive.

Strategy: every decoder returns at once all that can be decoded, so that an endpoint that flushes in the middle of a
compressed frame streams as well as one that does not compress. Each is a pair of `feed` and `finish`; `finish` detects
truncated data. Several encodings are decoded one after the other, the last one applied first. A few bytes can stand for
gigabytes, so a decoder is fed small slices, and decoding stops at a limit.
"""

import zlib
from collections.abc import Callable
from typing import Any, Protocol

import brotli  # type: ignore[import-untyped]

from codex_transform.zstd import MISSING, zstd

_GZIP = 16 + zlib.MAX_WBITS

# How many bytes one call may return; no request and no response is that long.
MAX_DECODED = 64_000_000


class DecodingError(Exception):
    """The bytes do not follow the content encoding, or end too early."""


class Decoder(Protocol):
    """Encoded bytes in, decoded bytes out."""

    def feed(self, data: bytes) -> bytes:
        """Return all that can be decoded with `data`. Raises DecodingError for what cannot be."""

    def finish(self) -> None:
        """End the encoded bytes. Raises DecodingError if they are truncated."""


def decoder_for(content_encoding: str | None) -> Decoder | None:
    """Return the decoder for a Content-Encoding header, None if there is nothing to decode.

    The decoder for an unknown encoding raises DecodingError.
    """
    names = [name.strip().lower() for name in (content_encoding or "").split(",")]
    applied = [name for name in reversed(names) if name not in ("", "identity")]
    decoders = [_decoder(name) for name in applied]
    if not decoders:
        return None
    return decoders[0] if len(decoders) == 1 else _Chain(decoders)


def _decoder(name: str) -> Decoder:
    return _DECODERS[name]() if name in _DECODERS else _Undecodable(f"unknown content encoding {name[:40]!r}")


def decode(content_encoding: str | None, data: bytes) -> bytes:
    """Return a whole body decoded. Raises DecodingError."""
    decoder = decoder_for(content_encoding)
    if decoder is None:
        return data
    decoded = decoder.feed(data)
    decoder.finish()
    return decoded


class _Bounded:
    """Another decoder with a limit: a slice of `step` bytes decodes to about 16 MiB at most."""

    def __init__(self, decoder: Decoder, step: int) -> None:
        self._decoder = decoder
        self._step = step
        self.finish = decoder.finish

    def feed(self, data: bytes) -> bytes:
        out = []
        budget = MAX_DECODED
        for at in range(0, len(data), self._step):
            piece = self._decoder.feed(data[at : at + self._step])
            budget -= len(piece)
            if budget < 0:
                raise DecodingError(f"it becomes more than {MAX_DECODED // 1_000_000} MB at once")
            out.append(piece)
        return b"".join(out)


class _MultiFrame:
    """gzip and zstd: consecutive frames (gzip calls them members), each decoded by a new object."""

    def __init__(self, new: Callable[[], Any], error: type[Exception]) -> None:
        self._new = new
        self._error = error
        self._frame: Any = None

    def feed(self, data: bytes) -> bytes:
        out = []
        try:
            while data:
                if self._frame is None:
                    self._frame = self._new()
                out.append(self._frame.decompress(data))
                data = self._frame.unused_data
                if self._frame.eof:
                    self._frame = None
        except self._error as error:
            raise DecodingError(str(error)) from error
        return b"".join(out)

    def finish(self) -> None:
        if self._frame is not None:
            raise DecodingError("compressed data ends too early")


class _Deflate:
    """deflate: zlib data by the standard, and bare deflate data by custom; the first two bytes tell which."""

    def __init__(self) -> None:
        self._head = b""
        self._inflate: Any = None

    def feed(self, data: bytes) -> bytes:
        if self._inflate is None:
            self._head += data
            if len(self._head) < 2:
                return b""
            data, self._head = self._head, b""
            is_zlib = data[0] & 0x0F == zlib.DEFLATED and (data[0] << 8 | data[1]) % 31 == 0
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        try:
            decoded: bytes = self._inflate.decompress(data)
        except zlib.error as error:
            raise DecodingError(str(error)) from error
        return decoded

    def finish(self) -> None:
        if self._head or (self._inflate is not None and not self._inflate.eof):
            raise DecodingError("compressed data ends too early")


class _Brotli:
    """br."""

    def __init__(self) -> None:
        self._decompressor = brotli.Decompressor()
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        self._begun = self._begun or bool(data)
        try:
            decoded: bytes = self._decompressor.process(data)
        except brotli.error as error:
            raise DecodingError(str(error)) from error
        return decoded

    def finish(self) -> None:
        try:
            finished = self._decompressor.is_finished()
        except brotli.error as error:
            raise DecodingError(str(error)) from error
        if self._begun and not finished:
            raise DecodingError("compressed data ends too early")


class _Undecodable:
    """An encoding that cannot be decoded, and why."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def feed(self, data: bytes) -> bytes:  # noqa: ARG002
        raise DecodingError(self._reason)

    def finish(self) -> None:
        pass


class _Chain:
    """Several encodings, the last one applied first."""

    def __init__(self, decoders: list[Decoder]) -> None:
        self._decoders = decoders

    def feed(self, data: bytes) -> bytes:
        for decoder in self._decoders:
            data = decoder.feed(data)
        return data

    def finish(self) -> None:
        for decoder in self._decoders:
            decoder.finish()


def _gzip() -> Decoder:
    return _Bounded(_MultiFrame(lambda: zlib.decompressobj(_GZIP), zlib.error), 16 * 1024)


def _zstd() -> Decoder:
    if zstd is None:
        return _Undecodable(MISSING)
    return _Bounded(_MultiFrame(zstd.ZstdDecompressor, zstd.ZstdError), 512)


_DECODERS: dict[str, Callable[[], Decoder]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": lambda: _Bounded(_Deflate(), 16 * 1024),
    "br": lambda: _Bounded(_Brotli(), 16),
    "zstd": _zstd,
}
