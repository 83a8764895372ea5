"""The edits that helped, so that a later request gets them before it is sent.

What an endpoint does not take is remembered for a day, so that an endpoint that has learnt more is believed again. What
is wrong with a conversation is remembered for that conversation. The memory is bounded: the oldest go first.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from codex_transform.attempts.edits import Edit
from codex_transform.attempts.rule import Scope

ENDPOINT_TTL = 24 * 3600.0
MAX_KEYS = 1000
MAX_EDITS = 50
"""Limits of what is remembered: endpoints and conversations, and edits of each."""


class Key(NamedTuple):
    """Whom an edit is for: the endpoint's URL, the model, and the conversation if it has a name."""

    endpoint: str
    model: str
    conversation: str | None


class _Remembered(NamedTuple):
    edit: Edit
    at: float


class Memory:
    """Edits by endpoint and model, and by conversation. `now` is a clock in seconds."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._edits: OrderedDict[tuple[str, ...], list[_Remembered]] = OrderedDict()

    def edits(self, key: Key) -> list[Edit]:
        """Return the edits for a request: those for its endpoint, then those for its conversation."""
        found: list[Edit] = []
        for place, ttl in ((_place(Scope.ENDPOINT, key), ENDPOINT_TTL), (_place(Scope.CONVERSATION, key), None)):
            if place is None or place not in self._edits:
                continue
            self._edits.move_to_end(place)
            since = self._now() - ttl if ttl else float("-inf")
            kept = self._edits[place] = [each for each in self._edits[place] if since < each.at]
            found += (each.edit for each in kept)
        return found

    def learn(self, edit: Edit, scope: Scope, key: Key) -> None:
        """Remember an edit that helped. A conversation without a name has no memory."""
        place = _place(scope, key)
        if place is None:
            return
        remembered = self._edits.setdefault(place, [])
        if all(each.edit != edit for each in remembered):
            remembered.append(_Remembered(edit, self._now()))
        del remembered[:-MAX_EDITS]
        self._edits.move_to_end(place)
        if len(self._edits) > MAX_KEYS:
            self._edits.popitem(last=False)


def _place(scope: Scope, key: Key) -> tuple[str, ...] | None:
    if scope is Scope.ENDPOINT:
        return (key.endpoint, key.model)
    return ("conversation", key.endpoint, key.conversation) if key.conversation else None
