"""A streaming client's answer, from the endpoint's bytes to the client's.

Strategy: whatever the content type claims, the first byte that is not white space tells JSON and HTML from an event
stream; JSON is collected and unfolded at the end, an event stream is rewritten as it comes. Until anything has left,
what goes wrong is raised as an ApiError, so that the client gets an HTTP error, which it knows how to retry; after
that it becomes an `error` event.
"""

import time
from collections.abc import Callable
from typing import Any

from codex_transform.decoding import DecodingError, decoder_for
from codex_transform.errors import ApiError
from codex_transform.response import body_errors, sse
from codex_transform.response.client_view import ClientView
from codex_transform.response.network_error import connection_lost
from codex_transform.response.response_to_events import response_to_stream
from codex_transform.response.rewriter import Rewriter
from codex_transform.response.upstream_error import server_error

_LONGEST_MARGIN = 1024
_CUT = "The endpoint ended the answer before it was complete."


class ResponseStream:
    """One answer. `feed` it the endpoint's bytes, then call `finish`, or `abort` if the connection broke.

    Each returns what may leave now, b"" if nothing. Each raises ApiError if nothing has left yet and the answer is
    none: an error, a web page, text, an unknown encoding, no event at all.
    """

    def __init__(self, view: ClientView, content_encoding: str | None, now: Callable[[], float] = time.time) -> None:
        self._decoder = decoder_for(content_encoding)
        self._rewriter = Rewriter(view, now=now)
        self._take: Callable[[bytes], bytes] = self._sniff
        self._beginning = b""
        self._json = bytearray()
        self._closed = False
        self._broken: ApiError | None = None

    @property
    def events(self) -> int:
        """How many events the endpoint has sent."""
        return self._rewriter.events

    @property
    def parsed(self) -> int:
        """How many of them had to be parsed."""
        return self._rewriter.parsed

    @property
    def has_output(self) -> bool:
        """True once the model has said something: an output item or a delta."""
        return self._rewriter.has_output

    @property
    def repaired(self) -> set[str]:
        """What was repaired, by name."""
        return self._rewriter.repaired

    @property
    def usage(self) -> dict[str, Any] | None:
        """The token counts of the final event."""
        return self._rewriter.usage

    @property
    def given_ids(self) -> dict[str, str]:
        """The ids that the endpoint's final event gave items which had others before, by those."""
        return self._rewriter.given_ids

    @property
    def status(self) -> str | None:
        """How the answer ended: `completed`, `incomplete`, `failed`, `error`, `cut`; None as long as it has not."""
        return "cut" if self._broken else self._rewriter.ended

    @property
    def error(self) -> ApiError | None:
        """What a client that does not stream is told, if the answer is no good."""
        problem = self._rewriter.problem
        return self._broken or (problem.http_error() if problem else None)

    def feed(self, data: bytes) -> bytes:
        """Bytes from the endpoint."""
        if self._decoder is None:
            return self._take(data)
        try:
            decoded = self._decoder.feed(data)
        except DecodingError as error:
            return self._close(body_errors.truncated(f"The endpoint's answer cannot be decoded: {error}."))
        return self._take(decoded)

    def finish(self) -> bytes:
        """Take the end of what the endpoint sends."""
        try:
            if self._decoder is not None:
                self._decoder.finish()
        except DecodingError as error:
            return self._close(body_errors.truncated(f"{_CUT[:-1]}: {error}."))
        return self._close(None)

    def abort(self, reason: str) -> bytes:
        """Take the loss of the connection to the endpoint, for this reason."""
        return self._close(connection_lost(reason))

    def _sniff(self, data: bytes) -> bytes:
        """Nothing is known yet about the answer."""
        self._beginning += data
        if sse.BOM.startswith(self._beginning):
            return b""
        beginning = self._beginning.removeprefix(sse.BOM).lstrip(b"\r\n")
        text = beginning.lstrip()
        if not text:
            self._beginning = beginning[:_LONGEST_MARGIN]
            return b""
        if text.startswith(b"<"):
            return self._close(body_errors.html_page())
        self._take = self._buffer_json if text.startswith((b"{", b"[")) else self._rewriter.feed
        return self._take(beginning)

    def _buffer_json(self, data: bytes) -> bytes:
        """Return the stream for an answer that is JSON."""
        self._json += data
        if len(self._json) <= body_errors.MAX_BODY:
            return b""
        self._json.clear()
        return self._close(body_errors.too_large())

    def _close(self, broken: ApiError | None) -> bytes:
        """Return what closes the client's stream: the answer is over.

        `broken` says what cut it off, if anything did.
        """
        if self._closed:
            return b""
        self._closed = True
        self._take = _discard
        out = self._unfold(broken) if self._json else self._rewriter.finish()
        if broken is None and self._rewriter.started:
            out += self._rewriter.complete()
        if self._rewriter.ended:
            return out
        if not self._rewriter.started:
            raise broken or self._empty_error()
        self._broken = broken or body_errors.truncated(_CUT)
        return out + self._rewriter.fail(server_error(self._broken.message))

    def _unfold(self, broken: ApiError | None) -> bytes:
        body = bytes(self._json)
        self._json.clear()
        try:
            response = body_errors.parse_response(body)
        except ApiError as error:
            raise (broken if broken and error.code == body_errors.TRUNCATED else error) from None
        self.repaired.add("JSON")
        return self._rewriter.feed(response_to_stream(response))

    def _empty_error(self) -> ApiError:
        if self._rewriter.non_event_text:
            return body_errors.plain_text(self._rewriter.non_event_text)
        came = self._beginning.removeprefix(sse.BOM).strip()
        return body_errors.truncated(_CUT) if came else body_errors.empty_body()


def _discard(data: bytes) -> bytes:  # noqa: ARG001
    return b""
