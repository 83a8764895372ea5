"""Puts an `AnswerStream` where mitmproxy expects a stream function.

mitmproxy calls `flow.response.stream` with each piece of a body and once with b"" at its end, and sends what it
gets back. Two things differ: nothing to send must be an empty list (an empty chunk would end a chunked body), and
before the response head has left, an answer may still turn out to be an error.
"""

import logging
from collections.abc import Iterable

from codex_transform.errors import ApiError
from codex_transform.response.stream import AnswerStream

logger = logging.getLogger(__name__)


class StreamedAnswer:
    """The stream function of one response; `answer` does the work. `ended` once the body is over."""

    def __init__(self, answer: AnswerStream) -> None:
        self.answer = answer
        self.ended = False
        self._held: bytes | None = None
        self._broken = False

    def hold(self, data: bytes) -> bool:
        """Takes a piece (b"" for the end) before the head has left; True when there is something to send.

        What there is to send comes from the next call of the stream function, for the same piece. Raises ApiError
        when the answer is over and is none.
        """
        self._held = self._take(data)
        return bool(self._held)

    def break_off(self, reason: str) -> None:
        """The endpoint's connection failed: the next call of the stream function gives what closes the stream.

        Raises ApiError when nothing has been sent yet.
        """
        self.ended = True
        self._held = self.answer.abort(reason)

    def __call__(self, data: bytes) -> Iterable[bytes]:
        """mitmproxy's stream function: a piece of the endpoint's body in, what the client gets out."""
        out, self._held = (self._take(data) if self._held is None else self._held), None
        return [out] if out else []

    def _take(self, data: bytes) -> bytes:
        self.ended = not data
        if self._broken:
            return data
        try:
            return self.answer.feed(data) if data else self.answer.finish()
        except ApiError:
            raise
        except Exception:
            # A fault of ours must not cost the user an answer that is on its way: the rest goes on as it comes.
            logger.exception("rewriting an answer failed; passing the rest of it on as it comes")
            self._broken = True
            return data
