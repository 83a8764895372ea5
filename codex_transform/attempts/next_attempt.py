"""The decision: another attempt, or what the client is told.

A call has at most four attempts, none with a change that an earlier one had. Whoever asks has made sure that nothing of
an answer has gone to the client.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from codex_transform.attempts.edits import Edit, can_edit
from codex_transform.attempts.failure import Failure
from codex_transform.attempts.rule import Rule, Scope, Sent
from codex_transform.attempts.rules import RULES
from codex_transform.attempts.rules.instructions import is_about_instructions
from codex_transform.attempts.rules.size import is_too_large
from codex_transform.errors import ApiError
from codex_transform.text import format_bytes, one_line

MAX_ATTEMPTS = 4
"""Of one call, the first one included."""

RECONNECT_WITHIN = 1.0
"""Seconds after sending in which the close of a reused connection has crossed the request on its way."""

RETRY_WITHIN = 2.0
"""Seconds after sending in which a failure of the server is worth another attempt."""

# The shortest pause before a retry, and the most that chance adds to it, in seconds.
_PAUSE, _JITTER = 0.2, 0.4

_TRANSIENT_STATUSES = frozenset({502, 503, 504, *range(520, 525), 529})
_TRANSIENT_CODES = frozenset({"server_is_overloaded", "overloaded_error", "slow_down"})


class Attempt(NamedTuple):
    """An attempt that failed, and the one that follows it.

    `rule` is the name of the rule that decided, `refused` what the endpoint said, in one line, and `done` what the next
    attempt does, such as "sent again without include". `edit` is what it changes, remembered for `scope`; None if it is
    the same request. `pause` is in seconds. `usage` are the token counts that the failed attempt reported.
    """

    rule: str
    refused: str
    done: str
    edit: Edit | None = None
    scope: Scope | None = None
    pause: float = 0.0
    usage: Mapping[str, Any] | None = None


class Policy(NamedTuple):
    """What the user allows: more than one attempt at all (`codex_heal`), and how many retries (`codex_retries`)."""

    heal: bool = True
    retries: int = 1


def decide(
    failure: Failure, sent: Sent, made: Sequence[Attempt], policy: Policy, *, chance: float = 0.0
) -> Attempt | None:
    """Return the next attempt, None if the failure goes to the client.

    `made` are the attempts that failed before. `chance`, from 0 to 1, spreads the pauses of many clients.
    """
    if not policy.heal or len(made) + 1 >= MAX_ATTEMPTS:
        return None
    if attempt := _healed(failure, sent, made):
        return attempt
    # What the endpoint does not process is safe to send again at any time; one attempt is left for another endpoint.
    reconnects = MAX_ATTEMPTS - 2 if failure.unprocessed else int(_crossed(failure))
    if _count(made, "reconnect") < reconnects:
        return _same(failure, "reconnect", "sent again on a new connection", 0.0)
    # A new connection counts as a retry if connections are what fails.
    repeats = ("retry", "reconnect") if failure.lost else ("retry",)
    if _is_transient(failure) and _count(made, *repeats) < policy.retries:
        return _same(failure, "retry", "sent again", _PAUSE + _JITTER * chance)
    return None


def final_error(failure: Failure, size: int, source: str) -> ApiError | None:
    """Return what the client is told where the endpoint's own words would not help it, None if they do.

    `size` is the length of the body in bytes; `source` says where the instructions that were sent come from.
    """
    if is_too_large(failure):
        # Clients know by the code, and by these words, that they have to compact the conversation.
        said = one_line(failure.message, 160).rstrip(".")
        return ApiError(
            400,
            "Your input exceeds the context window of this endpoint: "
            f"its gateway refused a request of {format_bytes(size)} (HTTP {failure.status}{said and ': ' + said}). "
            "Compact the conversation, or have the endpoint's owner raise the limit.",
            type="invalid_request_error",
            code="context_length_exceeded",
            param="input",
        )
    if is_about_instructions(failure):
        return ApiError(
            failure.status or 400,
            f"{one_line(failure.message).rstrip('.')}. The instructions that were sent last are "
            f"{_whose(source)}. "
            "Set codex_instructions_file to a text that it accepts, or codex_catalog_url to where Codex's own are.",
            code=failure.code or None,
            param="instructions",
        )
    return None


def _whose(source: str) -> str:
    return "the client's own" if source == "client" else f"those of {source}"


def _healed(failure: Failure, sent: Sent, made: Sequence[Attempt]) -> Attempt | None:
    for rule in RULES if can_edit(sent.body) else ():
        edit = rule.find(failure, sent)
        if edit and all(edit != attempt.edit for attempt in made):
            return _changed(failure, rule, edit)
    return None


def _changed(failure: Failure, rule: Rule, edit: Edit) -> Attempt:
    return Attempt(rule.name, refused_text(failure), f"sent again {edit.what}", edit, rule.scope, usage=failure.usage)


def _same(failure: Failure, rule: str, done: str, pause: float) -> Attempt:
    return Attempt(rule, refused_text(failure), done, pause=pause, usage=failure.usage)


def refused_text(failure: Failure) -> str:
    """Return what the endpoint said, in one line."""
    said = one_line(failure.message, 200) or failure.code
    return f"HTTP {failure.status}{said and ': ' + said}" if failure.status else said


def _crossed(failure: Failure) -> bool:
    """Return whether a kept connection was closed just as the request was on its way (RFC 9112 section 9.3.1)."""
    return failure.lost and failure.reused and failure.elapsed < RECONNECT_WITHIN


def _is_transient(failure: Failure) -> bool:
    if failure.elapsed > RETRY_WITHIN or (failure.retry_after or 0) > RETRY_WITHIN:
        return False
    return failure.lost or failure.status in _TRANSIENT_STATUSES or failure.code in _TRANSIENT_CODES


def _count(made: Sequence[Attempt], *rules: str) -> int:
    return sum(attempt.rule in rules for attempt in made)
