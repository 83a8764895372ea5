"""The edits that helped, so that a later request gets them before it is sent.

What an endpoint does not take is remembered for a day, so that an endpoint that has learnt more is believed again. What
is wrong with a conversation is remembered for that conversation. The memory is bounded: the oldest go first.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from codex_transform.attempts.edits import Edit, decode_edit, encode_edit
from codex_transform.attempts.rule import Scope
from codex_transform.values import Values, key_of

ENDPOINT_TTL = 24 * 3600.0
CONVERSATION_TTL = 14 * 24 * 3600.0
MAX_EDITS = 50
"""Limits of what is remembered: seconds, those of a conversation from its last turn, and edits of each."""


class Key(NamedTuple):
    """Whom an edit is for: the endpoint's URL, the model, and the conversation if it has a name."""

    endpoint: str
    model: str
    conversation: str | None


class Memory:
    """Edits by endpoint and model, and by conversation. `now` is a clock in seconds."""

    def __init__(self, values: Values | None = None, now: Callable[[], float] = time.time) -> None:
        self._values = values or Values(now=now)
        self._now = now

    def keys(self, key: Key) -> dict[str, float]:
        """Return the keys of the values for a request, each with its time to live in seconds."""
        places = ((_place(scope, key), ttl) for scope, ttl in _TTLS.items())
        return {place: ttl for place, ttl in places if place}

    def edits(self, key: Key) -> list[Edit]:
        """Return the edits for a request: those for its endpoint, then those for its conversation."""
        now = self._now()
        remembered = ((each, ttl) for place, ttl in self.keys(key).items() for each in self._values.get(place) or ())
        edits = (decode_edit(each["edit"]) for each, ttl in remembered if now - ttl < each["at"])
        return [edit for edit in edits if edit]

    def learn(self, edit: Edit, scope: Scope, key: Key) -> None:
        """Remember an edit that helped. A conversation without a name has no memory."""
        place, ttl = _place(scope, key), _TTLS[scope]
        if place is None:
            return
        new, now = encode_edit(edit), self._now()

        def add(remembered: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
            kept = [each for each in remembered or () if now - ttl < each["at"]]
            if all(each["edit"] != new for each in kept):
                kept.append({"edit": new, "at": now})
            return kept[-MAX_EDITS:]

        self._values.update(place, add, ttl)


_TTLS = {Scope.ENDPOINT: ENDPOINT_TTL, Scope.CONVERSATION: CONVERSATION_TTL}


def _place(scope: Scope, key: Key) -> str | None:
    if scope is Scope.ENDPOINT:
        return key_of("refused", key.endpoint, key.model)
    return key_of("healed", key.endpoint, key.conversation) if key.conversation else None
