"""What messages say: a client's are requests, ours are the events of answers, and errors.

An error that an HTTP client would learn from the status and the headers of its response comes in an envelope that has
both (API reference, "WebSocket mode").
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from codex_transform.errors import ApiError, bad_request
from codex_transform.jsonio import describe_type, dumps, loads_object, parse_request
from codex_transform.response import sse
from codex_transform.websocket.frames import text_frame, text_frames

_CREATE = "response.create"

# What the transport decides; `generate` is of no concern to an endpoint.
_DROPPED = ("type", "event_id", "stream", "stream_options", "background", "generate")

_ERROR = b"event: error\n"

_DONE = b"[DONE]"
_DATA = len(b"data: ")
_DATA_LINE = b"\ndata: "
_DONE_LINE = b"data: [DONE]"


class Create(NamedTuple):
    """A request for a response; without `generate` the model is not to be asked, only to be told what comes."""

    body: dict[str, Any]
    generate: bool


def parse_message(content: bytes, *, text: bool) -> Create:
    """Return what a message asks for. Raises ApiError for one that asks for nothing."""
    if not text:
        raise bad_request("binary messages are not accepted: send JSON in a text message")
    message = parse_request(content)
    kind = message.get("type")
    if kind != _CREATE:
        raise bad_request(
            f"`type` is {kind!r}: a message to this endpoint is a `{_CREATE}`"
            if isinstance(kind, str)
            else f"`type` must be `{_CREATE}`, not {describe_type(kind)}",
            "type",
        )
    inner = message.pop("response", None)
    if inner is not None and not isinstance(inner, dict):
        raise bad_request(f"`response` must be an object, not {describe_type(inner)}", "response")
    body = {**message, **(inner or {})}
    generate, background = body.get("generate", True), body.get("background")
    if not isinstance(generate, bool):
        raise bad_request(f"`generate` must be true or false, not {describe_type(generate)}", "generate")
    if background:
        raise bad_request("`background` is not possible over a WebSocket: send such a request as POST", "background")
    if body.get("stream_id") is not None:
        raise bad_request("`stream_id`: one connection has one answer at a time here; open another", "stream_id")
    return Create({name: value for name, value in body.items() if name not in _DROPPED}, generate)


def error_message(error: ApiError) -> bytes:
    """Return an error of ours as a message."""
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return _envelope(error.status, error.payload()["error"], headers)


def response_message(status: int, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return a response that is an error as a message."""
    error = (loads_object(body) or {}).get("error")
    if not isinstance(error, dict):
        error = ApiError(status, f"the request was answered with status {status}").payload()["error"]
    kept = {name.lower(): value for name, value in headers.items() if name.lower() not in _ABOUT_BODY}
    return _envelope(status, error, kept)


_ABOUT_BODY = frozenset({"connection", "content-length", "content-type", "transfer-encoding"})


def _envelope(status: int, error: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
    return dumps({"type": "error", "status": status, "error": error, "headers": headers})


class EventFrames:
    """Makes frames of an event stream: one text message an event, whose data is not looked at."""

    def __init__(self, limit: int = sse.LIMIT) -> None:
        self._splitter = sse.Splitter(limit)

    def feed(self, piece: bytes) -> bytes:
        """Return the frames of the events that are complete with this piece."""
        if self._splitter.idle and _ERROR not in piece and (whole := _events_of_one_name(piece) or _all_events(piece)):
            return text_frames(whole)
        frames: list[bytes] = []
        at, splitter = 0, self._splitter
        while at < len(piece):
            if splitter.oversized:
                _, at = splitter.pass_on(piece, at, sse.end_of_piece(piece, at))
            else:
                block, at = splitter.take(piece, at, sse.end_of_piece(piece, at))
                if splitter.oversized:
                    frames.append(text_frame(error_message(ApiError(502, "an event of the answer is too long"))))
                elif block:
                    frames.append(_block_frame(block))
        return b"".join(frames)

    def finish(self) -> bytes:
        """Return the frame of the last event, if its blank line is missing."""
        return _block_frame(self._splitter.finish())


def _events_of_one_name(piece: bytes) -> list[bytes]:
    """Return the data of the events in a piece that is nothing but whole events of one name, as deltas are.

    [] for any other: it has another number of lines.
    """
    start = piece.find(_DATA_LINE) + len(_DATA_LINE)
    if not (piece.startswith(b"event: ") and piece.endswith(b"\n\n")) or start < len(_DATA_LINE):
        return []
    data = piece[start:-2].split(b"\n\n" + piece[:start])
    return data if piece.count(b"\n") == 3 * len(data) and b"\r" not in piece and data[-1] != _DONE else []


def _all_events(piece: bytes) -> list[bytes]:
    """Return the data of the events in a piece that is nothing but whole events of the usual form; [] for any other.

    That is a line with the name, one with the data, and an empty one. Lines are counted, not looked at one by one.
    """
    lines = piece.split(b"\n")
    count, rest = divmod(len(lines), 3)
    if (
        rest != 1
        or lines[-1]
        or any(lines[2::3])
        or b"\r" in piece
        or piece.count(_DATA_LINE) != count
        or piece.count(b"\n\nevent: ") + piece.startswith(b"event: ") != count
        or _DONE_LINE in lines
    ):
        return []
    return [line[_DATA:] for line in lines[1::3]]


def _block_frame(block: bytes) -> bytes:
    fields = sse.parse(block)
    return _frame(fields.name == "error", fields.data) if fields.data else b""


def _frame(is_error: bool, data: bytes) -> bytes:
    """Return the frame of an event; one that is an error gets the status that the envelope has."""
    if data == _DONE:
        return b""
    if is_error and (event := loads_object(data)):
        data = dumps({"status": 500, "headers": {}, **event})
    return text_frame(data)
