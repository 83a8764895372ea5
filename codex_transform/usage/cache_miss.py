"""Why the endpoint's prompt cache served a request, or did not.

Strategy: compare a request with the one before it in its conversation, part by part, in the order in which the parts
go into the prompt. If it only goes on from there, all that was sent then could come from the cache; otherwise what
stands before the first part that differs. What the endpoint reports is held against that. One conversation may hold
several threads (the client's titles and summaries, sub-agents): a request is compared with the thread that it begins
most like, and one that is like none of them begins a thread of its own.

Rules of caching by OpenAI's guide "Prompt caching": exact prefixes only, from 1,024 tokens on, in steps of 128, kept
for five to ten minutes without use.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from codex_transform.jsonio import parse_request
from codex_transform.text import format_duration, format_tokens
from codex_transform.usage.fingerprint import Fingerprint, fingerprint, item_kind, items_of
from codex_transform.usage.record import CacheVerdict, Tokens

SMALLEST = 1024
STEP = 128
KEPT_FOR = 5 * 60.0
"""For how many seconds endpoints keep what nobody asks for, at the least."""

MAX_CONVERSATIONS = 1000
MAX_THREADS = 8
"""How many threads of one conversation are remembered."""
MAX_PARTS = 1_000_000
"""How many items are remembered in all, at 16 bytes each."""


@dataclass(eq=False, slots=True)
class _Request:
    """A request that was answered: what was sent, what the client had asked for, and what it came to.

    The client's is there to tell who changed what.
    """

    at: float
    sent: Fingerprint
    original: Fingerprint | None
    input: int

    @property
    def parts(self) -> int:
        """How many items it remembers."""
        return len(self.sent.items) + (len(self.original.items) if self.original else 0)


class _Change(NamedTuple):
    """The first part that differs.

    `what` says how, `kept` are the bytes before it, and `differs` tells whether the same is true of two requests of the
    client's.
    """

    cause: str
    what: str
    kept: int
    differs: Callable[[Fingerprint, Fingerprint], bool]


class PromptCacheTracker:
    """Remembers the last request of each conversation and judges the next. For one thread.

    The conversations used last are kept, up to `size` of them.
    """

    def __init__(self, size: int = MAX_CONVERSATIONS, parts: int = MAX_PARTS) -> None:
        self._size = size
        self._parts = parts
        self._held = 0
        self._conversations: OrderedDict[int, list[_Request]] = OrderedDict()

    def explain(
        self,
        conversation: str | None,
        at: float,
        sent: Mapping[str, Any],
        original: bytes | None,
        tokens: Tokens | None,
    ) -> CacheVerdict | None:
        """Whether the cache could serve a request that was answered, and remembers it for the next.

        `at` is when it came, `sent` the body that was sent, `original` the client's, an object in JSON, `tokens` what
        the endpoint reported. None without a conversation or a report: there is nothing to say then. Raises nothing.
        """
        if conversation is None or tokens is None:
            return None
        now = _Request(at, fingerprint(sent), fingerprint(parse_request(original)) if original else None, tokens.input)
        threads = self._conversations.setdefault(hash(conversation), [])
        self._conversations.move_to_end(hash(conversation))
        before = _closest(threads, now.sent)
        if before is None:
            verdict = _first(tokens, "another thread in " if threads else "")
        else:
            change = _change(before, now, sent, tokens)
            verdict = _judge(before, now, change, tokens)
            # One that holds less (a sub-agent's), or goes to another model or agent, is a side thread: the conversation
            # may continue from the earlier request.
            longer = len(before.sent.items) <= len(now.sent.items)
            if change is None or (before.sent.prefix_key == now.sent.prefix_key and longer):
                threads.remove(before)
                self._held -= before.parts
        threads.append(now)
        self._held += now.parts
        if len(threads) > MAX_THREADS:
            self._held -= threads.pop(0).parts
        while len(self._conversations) > self._size or (self._held > self._parts and len(self._conversations) > 1):
            _, oldest = self._conversations.popitem(last=False)
            self._held -= sum(request.parts for request in oldest)
        return verdict


def _closest(threads: list[_Request], now: Fingerprint) -> _Request | None:
    """Return the request that `now` follows: the one that it shares the longest beginning with, the latest of equals.

    None when it follows none: neither does it begin as a request with the same head did, nor does it hold more than
    half of the items of one, as it does when model or tools have been changed in mid-conversation.
    """
    held = set(now.items)

    def likeness(request: _Request) -> tuple[int, int]:
        before = request.sent
        same = before.same_items(now) if before.prefix_key == now.prefix_key else 0
        common = sum(item in held for item in before.items)
        return same, common if 2 * common > len(before.items) else 0

    best = max(reversed(threads), key=likeness, default=None)
    return best if best and any(likeness(best)) else None


def _first(tokens: Tokens, whose: str) -> CacheVerdict:
    return CacheVerdict(
        cause="first", says=f"first request of {whose}this conversation: {format_tokens(tokens.cached)} cached"
    )


def _judge(before: _Request, now: _Request, change: _Change | None, tokens: Tokens) -> CacheVerdict:
    expected = _expected(before, now, change, tokens)
    # Had it only been appended to.
    possible = _cacheable(before.input, tokens) if change else expected
    missed = max(0, possible - tokens.cached)
    unexplained = expected - tokens.cached
    if expected > 2 * tokens.cached and 2 * unexplained > missed:
        gap = now.at - before.at
        if gap > KEPT_FOR:
            return CacheVerdict(
                cause="idle", says=f"idle for {format_duration(gap)}{_cost(missed)}", expected=expected, missed=missed
            )
        cached = f"{format_tokens(tokens.cached)} of ~{format_tokens(expected)}"
        says = f"the endpoint had cached {cached}, and nothing explains why"
        return CacheVerdict(cause="endpoint", says=says, expected=expected, missed=missed)
    if change is None:
        says = f"append: ~{format_tokens(expected)} expected, {format_tokens(tokens.cached)} cached"
        return CacheVerdict(cause="append", says=says, expected=expected, missed=missed)
    by = _who(before.original, now.original, change)
    says = change.what + (f" by the {by}" if by else "") + _cost(missed)
    return CacheVerdict(cause=change.cause, says=says, expected=expected, missed=missed)


def _change(before: _Request, now: _Request, body: Mapping[str, Any], tokens: Tokens) -> _Change | None:
    """Return the first change.

    Where the effort is, but more was cached than could be if it counted, what changed besides.

    The effort is no part of the prompt that everybody sees: some endpoints cache across efforts.
    """
    first = _first_change(before.sent, now.sent, body)
    if first is None or first.cause != "effort":
        return first
    besides = _first_change(before.sent._replace(effort=now.sent.effort), now.sent, body)
    explained = besides and 0 < _expected(before, now, besides, tokens) <= 2 * tokens.cached
    return besides if explained else first


def _expected(before: _Request, now: _Request, change: _Change | None, tokens: Tokens) -> int:
    """Return the tokens that could come from the cache."""
    kept = change.kept if change else min(before.sent.size, now.sent.size)
    return _cacheable(before.input * kept // before.sent.size, tokens)


def _first_change(before: Fingerprint, now: Fingerprint, body: Mapping[str, Any]) -> _Change | None:
    """Return the first part, in the order of the prompt, in which a request differs from the one before."""
    if before.model != now.model:
        what = f"model {_shown(before.model)} → {_shown(now.model)}"
        return _Change("model", what, 0, lambda old, new: old.model != new.model)
    if before.effort != now.effort:
        what = f"effort {_shown(before.effort)} → {_shown(now.effort)}"
        # The client may set it in the name of the model, too.
        return _Change("effort", what, 0, lambda old, new: (old.effort, old.model) != (new.effort, new.model))
    if before.instructions != now.instructions:
        return _Change("instructions", "instructions changed", 0, lambda old, new: old.instructions != new.instructions)
    if before.tools != now.tools:
        same = before.same_tools(now)
        return _Change("tools", _tools_change(before, now, same), sum(now.sizes[: 1 + same]), _tools_differ)
    same = before.same_items(now)
    if same == min(len(before.items), len(now.items)):
        return None
    kept = sum(now.sizes[: 1 + len(now.tools) + same])
    kind = _shown(item_kind(items_of(body)[same]))
    # Counted as the API's errors and the page of the request count them.
    if len(now.items) < len(before.items):
        where = f"history of {len(before.items)} items replaced from input[{same}] ({kind}) on"
    else:
        where = f"input[{same}] of {len(now.items)} ({kind}) changed"
    return _Change("item", where, kept, _history_differs)


def _tools_change(before: Fingerprint, now: Fingerprint, same: int) -> str:
    """Return what happened to the first tool that differs: `same` are the same before it."""
    old, new = [name for name, _ in before.tools], [name for name, _ in now.tools]
    was, name = old[same : same + 1], new[same : same + 1]
    if was == name:
        return f"tool `{_shown(name[0])}` changed"
    if name and name[0] not in old:
        return f"tool `{_shown(name[0])}` added"
    if was and was[0] not in new:
        return f"tool `{_shown(was[0])}` removed"
    return f"tool `{_shown((name or was)[0])}` moved"


def _tools_differ(old: Fingerprint, new: Fingerprint) -> bool:
    return old.tools != new.tools


def _history_differs(old: Fingerprint, new: Fingerprint) -> bool:
    """Return whether the client did more than to append. Its instructions become an item on the way."""
    return old.instructions != new.instructions or old.same_items(new) < min(len(old.items), len(new.items))


def _who(old: Fingerprint | None, new: Fingerprint | None, change: _Change) -> str | None:
    if old is None or new is None:
        return None
    return "client" if change.differs(old, new) else "addon"


def _cacheable(prompt: int, tokens: Tokens) -> int:
    """Return the tokens of a prompt's beginning that a cache may hold; a request gets no more than it has."""
    whole = min(prompt, tokens.input) // STEP * STEP
    return whole if whole >= SMALLEST else 0


def _cost(missed: int) -> str:
    return f": {format_tokens(missed)} not cached" if missed else ", which cost nothing"


def _shown(name: str) -> str:
    """Return a client's word in one short line."""
    plain = "".join(character if character.isprintable() else "�" for character in name[:41])
    return plain if len(plain) <= 40 else plain[:39] + "…"
