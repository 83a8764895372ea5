"""Counts tokens, and how many of them a real endpoint would have found in its prompt cache.

Strategy: a prompt is a list of pieces (instructions, each tool, each input item), and a running hash over them names
every prefix. A prefix is cached when its name was seen before, so one changed byte early on costs all that follows,
just as it does on the real thing.

Rules by OpenAI's "Prompt caching" guide: only exact prefixes match, prompts of fewer than 1024 tokens are not cached,
hits come in steps of 128 tokens, and requests are routed by `prompt_cache_key`. A token is taken as four characters.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from codex_transform.jsonio import dumps

SMALLEST = 1024
STEP = 128


def tokens(characters: int) -> int:
    """Return an estimate of the number of tokens, rounded up."""
    return -(-characters // 4)


class Count(NamedTuple):
    """The tokens of a prompt: all of them, those read from the cache, and those written to it."""

    all: int
    cached: int
    written: int


class PromptCache:
    """Remembers up to `size` prefixes of the prompts it has counted; the least recently used go first."""

    def __init__(self, size: int = 100_000) -> None:
        self._seen: dict[bytes, None] = {}
        self._size = size

    def count(self, request: Mapping[str, Any]) -> Count:
        """Count the tokens of a request and cache its prefixes."""
        name = dumps([request.get("model"), request.get("prompt_cache_key")])
        total = cached_prefix = 0
        missed = False
        for piece in _pieces(request):
            total += len(piece)
            name = sha256(name + piece).digest()
            missed = missed or name not in self._seen
            if not missed:
                cached_prefix = total
            # Removed and inserted again: a prefix in use is the last to go.
            self._seen.pop(name, None)
            self._seen[name] = None
        while len(self._seen) > self._size:
            del self._seen[next(iter(self._seen))]
        cached = _cacheable(cached_prefix)
        return Count(tokens(total), cached, _cacheable(total) - cached)


def _cacheable(characters: int) -> int:
    whole = tokens(characters) // STEP * STEP
    return whole if whole >= SMALLEST else 0


def _pieces(request: Mapping[str, Any]) -> Iterable[bytes]:
    yield dumps(request.get("instructions"))
    for field in ("tools", "input"):
        for piece in request.get(field) or ():
            yield dumps(piece)
