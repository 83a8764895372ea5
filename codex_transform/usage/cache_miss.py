"""Explain why the endpoint's prompt cache served a request, or did not.

Strategy: compare a request with the previous one in its conversation, part by part, in the order in which the parts go
into the prompt. If it only appends, all of the previous one could come from the cache; otherwise what comes before the
first part that differs. That is compared with what the endpoint reports. One conversation may have several threads (the
client's titles and summaries, sub-agents): a request is compared with the thread with which it has the longest prefix
in common, and one without such a thread begins a new one.

The rules are from OpenAI's guide "Prompt caching": exact prefixes only, from 1,024 tokens on, in steps of 128, kept for
five to ten minutes without use.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from codex_transform.request.client_request import ClientRequest
from codex_transform.text import format_duration, format_tokens, one_line
from codex_transform.usage.fingerprint import Fingerprint, fingerprint, item_kind, items_of
from codex_transform.usage.record import CacheVerdict, Tokens

MIN_CACHEABLE = 1024
CACHE_STEP = 128
CACHE_TTL = 5 * 60.0
"""How many seconds endpoints keep an unused prefix, at least."""

_MAX_QUOTE = 40  # characters of a client's word

MAX_CONVERSATIONS = 1000
MAX_THREADS = 8
"""How many threads of one conversation are remembered."""
MAX_PARTS = 1_000_000
"""How many items are remembered in total, at 16 bytes each."""


@dataclass(eq=False, slots=True)
class _Request:
    """A request that got a response: what was sent, the client's original, and its input tokens.

    The original tells who changed what.
    """

    at: float
    sent: Fingerprint
    original: Fingerprint | None
    input: int

    @property
    def parts(self) -> int:
        """The number of items that it remembers."""
        return len(self.sent.items) + (len(self.original.items) if self.original else 0)


class _Change(NamedTuple):
    """The first part that differs.

    `what` describes how, `prefix` is the number of bytes before it, and `differs` tells whether two requests of the
    client differ in the same part.
    """

    cause: str
    what: str
    prefix: int
    differs: Callable[[Fingerprint, Fingerprint], bool]


class PromptCacheTracker:
    """Remembers the last request of each conversation and explains the next. It is for one thread.

    The `size` most recently used conversations are kept.
    """

    def __init__(self, size: int = MAX_CONVERSATIONS, parts: int = MAX_PARTS) -> None:
        self._size = size
        self._max_parts = parts
        self._part_count = 0
        self._conversations: OrderedDict[int, list[_Request]] = OrderedDict()

    def explain(
        self,
        conversation: str | None,
        at: float,
        sent: Mapping[str, Any],
        original: ClientRequest | None,
        tokens: Tokens | None,
    ) -> CacheVerdict | None:
        """Return whether the cache could serve a request that got a response, and remember it for the next one.

        `at` is when it came, `sent` the body that was sent, `original` the client's, and `tokens` are what the
        endpoint reported. The result is None without a conversation or a report. This never raises.
        """
        if conversation is None or tokens is None:
            return None
        now = _Request(at, fingerprint(sent), fingerprint(original.parse()) if original else None, tokens.input)
        threads = self._conversations.setdefault(hash(conversation), [])
        self._conversations.move_to_end(hash(conversation))
        before = _best_match(threads, now.sent)
        if before is None:
            verdict = _first(tokens, "another thread in " if threads else "")
        else:
            change = _change(before, now, sent, tokens)
            verdict = _explain(before, now, change, tokens)
            # It may be continued later if this one is shorter (a sub-agent's) or is for another model or agent.
            longer = len(before.sent.items) <= len(now.sent.items)
            if change is None or (before.sent.prefix_key == now.sent.prefix_key and longer):
                threads.remove(before)
                self._part_count -= before.parts
        threads.append(now)
        self._part_count += now.parts
        if len(threads) > MAX_THREADS:
            self._part_count -= threads.pop(0).parts
        self._forget_oldest()
        return verdict

    def _forget_oldest(self) -> None:
        count = len(self._conversations)
        while count > self._size or (count > 1 and self._part_count > self._max_parts):
            _, oldest = self._conversations.popitem(last=False)
            self._part_count -= sum(request.parts for request in oldest)
            count -= 1


def _best_match(threads: list[_Request], now: Fingerprint) -> _Request | None:
    """Return the request that `now` follows: the one with the longest common prefix, the latest of equals.

    It is None if there is no common prefix with a request of the same head, nor more than half of the items of any
    request, as there would be after a change of model or tools in mid-conversation.
    """
    same = [each.sent.same_items(now) if each.sent.prefix_key == now.prefix_key else 0 for each in threads]
    longest = max(same, default=0)
    best = [each for each, count in zip(threads, same, strict=True) if count == longest]
    if longest and len(best) == 1:
        return best[0]
    items = set(now.items)

    def common(request: _Request) -> int:
        before = request.sent.items
        count = sum(item in items for item in before)
        return count if 2 * count > len(before) else 0

    closest = max(reversed(best), key=common, default=None)
    return closest if closest and (longest or common(closest)) else None


def _first(tokens: Tokens, thread: str) -> CacheVerdict:
    message = f"first request of {thread}this conversation: {format_tokens(tokens.cached)} cached"
    return CacheVerdict(cause="first", says=message)


def _explain(before: _Request, now: _Request, change: _Change | None, tokens: Tokens) -> CacheVerdict:
    expected = _expected(before, now, change, tokens)
    # If it had only been appended to.
    possible = _cacheable(before.input, tokens) if change else expected
    missed = max(0, possible - tokens.cached)
    unexplained = expected - tokens.cached
    if expected > 2 * tokens.cached and 2 * unexplained > missed:
        gap = now.at - before.at
        if gap > CACHE_TTL:
            message = f"idle for {format_duration(gap)}{_cost_text(missed)}"
            return CacheVerdict(cause="idle", says=message, expected=expected, missed=missed)
        part = f"{format_tokens(tokens.cached)} of ~{format_tokens(expected)}"
        message = f"the endpoint had cached {part}, and nothing explains why"
        return CacheVerdict(cause="endpoint", says=message, expected=expected, missed=missed)
    if change is None:
        message = f"append: ~{format_tokens(expected)} expected, {format_tokens(tokens.cached)} cached"
        return CacheVerdict(cause="append", says=message, expected=expected, missed=missed)
    by = _changed_by(before.original, now.original, change)
    message = change.what + (f" by the {by}" if by else "") + _cost_text(missed)
    return CacheVerdict(cause=change.cause, says=message, expected=expected, missed=missed)


def _change(before: _Request, now: _Request, body: Mapping[str, Any], tokens: Tokens) -> _Change | None:
    """Return the first change. A change of effort is skipped if more was cached than it would allow.

    The effort need not be part of the prompt: some endpoints cache across efforts.
    """
    first = _first_change(before.sent, now.sent, body)
    if first is None or first.cause != "effort":
        return first
    other = _first_change(before.sent._replace(effort=now.sent.effort), now.sent, body)
    explained = other and 0 < _expected(before, now, other, tokens) <= 2 * tokens.cached
    return other if explained else first


def _expected(before: _Request, now: _Request, change: _Change | None, tokens: Tokens) -> int:
    """Return how many tokens could come from the cache."""
    prefix = change.prefix if change else min(before.sent.size, now.sent.size)
    return _cacheable(before.input * prefix // before.sent.size, tokens)


def _first_change(before: Fingerprint, now: Fingerprint, body: Mapping[str, Any]) -> _Change | None:
    """Return the first part, in the order of the prompt, in which a request differs from the previous one."""
    if before.model != now.model:
        what = f"model {_quote(before.model)} → {_quote(now.model)}"
        return _Change("model", what, 0, lambda old, new: old.model != new.model)
    if before.effort != now.effort:
        what = f"effort {_quote(before.effort)} → {_quote(now.effort)}"
        # The client may set it in the name of the model too.
        return _Change("effort", what, 0, lambda old, new: (old.effort, old.model) != (new.effort, new.model))
    if before.instructions != now.instructions:
        return _Change("instructions", "instructions changed", 0, lambda old, new: old.instructions != new.instructions)
    if before.tools != now.tools:
        same = before.same_tools(now)
        return _Change("tools", _tools_change(before, now, same), sum(now.sizes[: 1 + same]), _tools_differ)
    same = before.same_items(now)
    if same == min(len(before.items), len(now.items)):
        return None
    size = sum(now.sizes[: 1 + len(now.tools) + same])
    kind = _quote(item_kind(items_of(body)[same]))
    # Numbered as in the API's errors and on the page of the request.
    if len(now.items) < len(before.items):
        where = f"history of {len(before.items)} items replaced from input[{same}] ({kind}) on"
    else:
        where = f"input[{same}] of {len(now.items)} ({kind}) changed"
    return _Change("item", where, size, _history_differs)


def _tools_change(before: Fingerprint, now: Fingerprint, same: int) -> str:
    """Return what happened to the first tool that differs, after `same` equal ones."""
    old, new = [name for name, _ in before.tools], [name for name, _ in now.tools]
    previous, name = old[same : same + 1], new[same : same + 1]
    if previous == name:
        return f"tool `{_quote(name[0])}` changed"
    if name and name[0] not in old:
        return f"tool `{_quote(name[0])}` added"
    if previous and previous[0] not in new:
        return f"tool `{_quote(previous[0])}` removed"
    return f"tool `{_quote((name or previous)[0])}` moved"


def _tools_differ(old: Fingerprint, new: Fingerprint) -> bool:
    return old.tools != new.tools


def _history_differs(old: Fingerprint, new: Fingerprint) -> bool:
    """Return whether the client did more than append. Its instructions become an item on the way."""
    return old.instructions != new.instructions or old.same_items(new) < min(len(old.items), len(new.items))


def _changed_by(old: Fingerprint | None, new: Fingerprint | None, change: _Change) -> str | None:
    if old is None or new is None:
        return None
    return "client" if change.differs(old, new) else "addon"


def _cacheable(prompt: int, tokens: Tokens) -> int:
    """Return how many tokens of a prompt's beginning a cache may hold, at most those of the request."""
    cacheable = min(prompt, tokens.input) // CACHE_STEP * CACHE_STEP
    return cacheable if cacheable >= MIN_CACHEABLE else 0


def _cost_text(missed: int) -> str:
    return f": {format_tokens(missed)} not cached" if missed else ", which cost nothing"


def _quote(name: str) -> str:
    return one_line(name, _MAX_QUOTE)
