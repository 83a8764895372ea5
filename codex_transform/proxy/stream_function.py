"""A `ResponseStream` as a stream function of mitmproxy.

mitmproxy calls `flow.response.stream` with each piece of a body and once with b"" at its end, and sends what it
gets back. Two things differ: nothing to send must be an empty list (an empty chunk would end a chunked body), and
before the response head has left, an answer may still turn out to be an error.
"""

import logging
import time
from collections.abc import Callable, Iterable

from codex_transform.errors import ApiError
from codex_transform.redaction import redact_key
from codex_transform.response.stream import ResponseStream

logger = logging.getLogger(__name__)


class StreamFunction:
    """The stream function of one response; `answer` does the work, and an error does not quote the `key`.

    `ended` is True once the body is over. `first_token` is the unix time at which the first event passed that the
    model is behind, None as long as none has. `tap`, if set, gets each piece that leaves.
    """

    def __init__(self, answer: ResponseStream, key: str = "") -> None:
        self.answer = answer
        self._key = key
        self.ended = False
        self.first_token: float | None = None
        self._prefetched: bytes | None = None
        self._broken = False
        self.tap: Callable[[bytes], None] | None = None
        self._kept: list[bytes] | None = None
        self._room = 0

    def retain(self, limit: int) -> None:
        """Retain the pieces that leave, for `retained`; to be called before the first.

        If they come to more than `limit` bytes, none are retained.
        """
        self._kept, self._room = [], limit

    @property
    def retained(self) -> bytes | None:
        """What has left so far; None unless it was to be retained and is within the limit."""
        return None if self._kept is None else b"".join(self._kept)

    def prefetch(self, data: bytes) -> bool:
        """Take a piece (b"" for the end) before the headers have left; return whether there is something to send.

        What there is to send comes from the next call of the stream function, for the same piece. Raises ApiError
        when the answer is over and is none.
        """
        self._prefetched = self._feed(data)
        return bool(self._prefetched)

    def abort(self, reason: str) -> None:
        """Close the stream, whose connection failed, with the next call of the stream function.

        Raises ApiError when nothing has been sent yet.
        """
        self.ended = True
        self._prefetched = self.answer.abort(reason)

    def __call__(self, data: bytes) -> Iterable[bytes]:
        """mitmproxy's stream function: a piece of the endpoint's body in, what the client gets out."""
        out, self._prefetched = (self._feed(data) if self._prefetched is None else self._prefetched), None
        if self._kept is not None:
            self._keep(out)
        if self.tap and out:
            self.tap(out)
        return [out] if out else []

    def _feed(self, data: bytes) -> bytes:
        self.ended = not data
        if self._broken:
            return data
        try:
            out = self.answer.feed(data) if data else self.answer.finish()
        except ApiError:
            raise
        except Exception:
            # A bug of ours must not cost the user an answer that is on its way: the rest is forwarded as it comes.
            logger.exception("rewriting an answer failed; passing the rest of it on as it comes")
            self._broken = True
            return data
        if self.answer.status in ("failed", "error"):
            out = redact_key(out, self._key)
        if self.first_token is None and self.answer.has_output:
            self.first_token = time.time()
        return out

    def _keep(self, out: bytes) -> None:
        assert self._kept is not None
        self._room -= len(out)
        if self._room < 0:
            self._kept = None
        else:
            self._kept.append(out)
