"""The attempts of one call: asks `attempts` what to do about a failure, and changes the flow's request accordingly.

The layer that sends requests calls `next` (see `layers/retry.py`). The request is read from the flow again, because
other addons may have edited it since.
"""

import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mitmproxy import http

from codex_transform.attempts.edits import (
    DropReasoning,
    Edit,
    ReplaceInstructions,
    UseCodexInstructions,
    apply_all,
    can_edit,
    digest,
    encrypted_reasoning,
)
from codex_transform.attempts.failure import Failure
from codex_transform.attempts.memory import Key, Memory
from codex_transform.attempts.next_attempt import MAX_ATTEMPTS, Attempt, Policy, decide, final_error, refused_text
from codex_transform.attempts.rule import Instructions, Scope, Sent
from codex_transform.errors import ApiError
from codex_transform.proxy.failover import Failover
from codex_transform.request import Transformed
from codex_transform.request.client_request import read_request, write_request
from codex_transform.text import one_line

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class CallAttempts:
    """What another attempt needs to know, and the attempts that have failed: `made`.

    `endpoint` is the URL to name in the log. `codex_instructions` returns what may be sent in place of refused
    instructions, `source` where those that were sent come from. `mode` is CODEX_MODE.
    """

    memory: Memory
    key: Key
    policy: Policy
    transformed: Transformed
    codex_instructions: Callable[[], Sequence[Instructions]]
    source: str
    failover: Failover
    mode: bool
    made: list[Attempt] = field(default_factory=list)
    _keys: list[Key] = field(default_factory=list)

    def next(self, request: http.Request, failure: Failure) -> Attempt | ApiError | None:
        """Return the next attempt, for which the request has been changed; None if the failure goes to the client.

        An ApiError is what the client is told in the failure's place.
        """
        try:
            return self._next(request, failure)
        except ApiError:
            return None  # another addon has made something else of it, or one of its items cannot be read

    def _next(self, request: http.Request, failure: Failure) -> Attempt | ApiError | None:
        content = request.raw_content or b""
        body = read_request(content).body
        sent = Sent(body, self.codex_instructions, self.source, self.transformed.client, self.mode)
        refusing = self.key.endpoint
        attempt = decide(failure, sent, self.made, self.policy, chance=random.random())
        if attempt is None:
            attempt = self._elsewhere(request, body, failure)
        if attempt is None:
            return final_error(failure, len(content), self.source) if self.policy.heal else None
        if attempt.edit and not self._apply([attempt.edit], request, body):
            return None
        self.made.append(attempt)
        self._keys.append(self.key)
        logger.warning("%s: %s; %s (%s)", one_line(refusing), attempt.refused, attempt.done, attempt.rule)
        return attempt

    def learn(self) -> None:
        """Remember what helped: the endpoint has accepted the request."""
        self.failover.accepted()
        for attempt, key in zip(self.made, self._keys, strict=True):
            if attempt.edit and attempt.scope:
                self.memory.learn(attempt.edit, attempt.scope, key)

    def _elsewhere(self, request: http.Request, body: dict[str, Any], failure: Failure) -> Attempt | None:
        """Return an attempt at another endpoint, None if there is none.

        What that one is known to refuse is taken out of the request, and so is the encrypted reasoning of the one
        before: no other can read it.
        """
        may = self.policy.heal and len(self.made) + 1 < MAX_ATTEMPTS
        target = self.failover.next(failure, request if may else None)
        if target is None:
            return None
        self.key = self.key._replace(endpoint=target.endpoint.url)
        self._apply([self._fitted(edit, body) for edit in self.memory.edits(self.key)], request, body)
        contents = (encrypted_reasoning(item) for item in body["input"]) if can_edit(body) else ()
        digests = frozenset(digest(content) for content in contents if content)
        edit = DropReasoning(digests) if digests else None
        done = f"sent to {target.name}{' ' + edit.what if edit else ''}"
        return Attempt("endpoint", refused_text(failure), done, edit, Scope.CONVERSATION, usage=failure.usage)

    def _fitted(self, edit: Edit, body: dict[str, Any]) -> Edit:
        """Return an edit learnt from another request as it fits this one: all clients' own instructions are refused."""
        if isinstance(edit, UseCodexInstructions) and self.source == "client":
            refused, client = digest(body.get("instructions")), self.transformed.client
            return replace(edit, refused=refused, client=client.name, mode=self.mode)
        return edit

    def _apply(self, edits: Iterable[Edit], request: http.Request, body: dict[str, Any]) -> bool:
        """Apply edits to a request and its body; return whether one of them changed something."""
        applied = apply_all(edits, body, self.transformed.changes)
        for edit in applied:
            if isinstance(edit, ReplaceInstructions | UseCodexInstructions):
                self.source = edit.source
        if applied:
            self._replace(request, body)
        return bool(applied)

    def _replace(self, request: http.Request, body: dict[str, Any]) -> None:
        content = request.data.content = write_request(body)
        request.headers["content-length"] = str(len(content))
        self.transformed.body.clear()
        self.transformed.body.update(body)
