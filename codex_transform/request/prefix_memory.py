"""Remember how conversations went so far, so that a turn costs what is new in it.

The key says whose conversation it is; nobody else's is compared with it. A conversation may have several threads (a
client's titles and summaries, sub-agents) and be continued at an earlier point: then the bytes differ before their end,
and the request is read like a first one. What is remembered is bounded in bytes; the oldest goes first.
"""

from collections import OrderedDict
from typing import NamedTuple

from codex_transform.jsonio import FULL_CHECK_LIMIT
from codex_transform.request.client_request import ClientRequest, read_request

MAX_BYTES = 64_000_000
"""How much is remembered in total."""

MAX_THREADS = 32
"""How many requests with the same beginning are remembered for one key."""

# How many bytes tell most requests of different kinds from each other.
_BEGINNING = 256

# What an item takes besides its JSON, which is there in the request and, if that differs, as it is sent.
_ITEM = 500

Key = tuple[str, ...]


class _Thread(NamedTuple):
    """A request that was sent, and how many bytes its items take."""

    request: ClientRequest
    items: int

    @property
    def size(self) -> int:
        return len(self.request.content) + self.items

    def is_beginning_of(self, content: bytes) -> bool:
        return content.startswith(memoryview(self.request.content)[: self.request.end])

    def is_continued_by(self, request: ClientRequest) -> bool:
        last = len(self.request.items) - 1
        return last < len(request.items) and request.items[last] is self.request.items[last]


class PrefixMemory:
    """Reads requests, and remembers those that were sent; `size` is how many bytes that takes, about."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self.size = 0
        self._threads: OrderedDict[tuple[Key, bytes], list[_Thread]] = OrderedDict()

    def read(self, key: Key, content: bytes) -> ClientRequest:
        """Read a request, of which the beginning may be known. Raises ApiError 400: see `read_request`."""
        threads = self._threads.get((key, content[:_BEGINNING]), ())
        known = (thread.request for thread in threads if thread.is_beginning_of(content))
        return read_request(content, max(known, key=lambda request: request.end, default=None))

    def remember(self, key: Key, request: ClientRequest) -> None:
        """Remember a request in the place of the one that it continues; a short one is not worth it."""
        if request.end < FULL_CHECK_LIMIT or not request.items:
            return
        place = key, request.content[:_BEGINNING]
        threads = self._threads.pop(place, [])
        known = next((thread for thread in threads if thread.is_continued_by(request)), None)
        items = first = 0
        if known:
            items, first = known.items, len(known.request.items)
            threads.remove(known)
            self.size -= known.size
        items += sum(len(item.view) + _ITEM for item in request.items[first:])
        # Its fields are another turn's, or none.
        thread = _Thread(request._replace(body={}, rest=b""), items)
        self._threads[place] = [*threads, thread]
        self.size += thread.size
        if len(threads) >= MAX_THREADS:
            self._forget_oldest(place)
        while self.size > self._max_bytes:
            self._forget_oldest(next(iter(self._threads)))

    def _forget_oldest(self, place: tuple[Key, bytes]) -> None:
        threads = self._threads[place]
        self.size -= threads.pop(0).size
        if not threads:
            del self._threads[place]
