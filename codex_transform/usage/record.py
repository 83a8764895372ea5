"""The record of one call: what was requested, what was sent, what came back, and what it cost.

A record holds plain values and nothing of the conversation's content, so it can go anywhere: into a flow's metadata
(and with it into flow files, which open without this addon; `record_reader.py` reads them), into the usage store, into
a line of the log.
"""

from dataclasses import dataclass
from typing import Literal

from codex_transform.request.changes import Change
from codex_transform.usage.refusals import Reason, refusal_reason

Outcome = Literal["completed", "incomplete", "failed", "error", "cut", "left"]
"""How a call ended.

The first three are the words of the response's final event. `error` is an HTTP error in place of a response; with `cut`
the endpoint closed the connection early, with `left` the client did.
"""


@dataclass(frozen=True)
class Tokens:
    """The token counts of a response. `cached` are part of `input`, `reasoning` of `output`."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def cached_share(self) -> float:
        """The part of the input that came out of the endpoint's cache, 0 to 1."""
        return self.cached / self.input if self.input else 0.0


@dataclass(frozen=True)
class InstructionsSource:
    """Which instructions were sent, and their length in characters.

    `ref` is `client`, `main`, a release tag, `bundled` or `file`.
    """

    ref: str
    sha256: str
    chars: int


@dataclass(frozen=True)
class CacheVerdict:
    """An explanation whether the endpoint's prompt cache could serve a request, and why not.

    `cause` is one of `first`, `append`, `idle`, `model`, `effort`, `instructions`, `tools`, `item`, `endpoint`.
    `expected` are the tokens that could have been cached, None for a first request; `missed` are those that were not
    and would have been, if the request had only been appended to. `says` is a sentence for people.
    """

    cause: str
    says: str
    expected: int | None = None
    missed: int = 0


@dataclass(frozen=True)
class FailedAttempt:
    """An attempt of a call that was followed by another one.

    `rule` is the kind of failure, `refused` what the endpoint said, and `done` what the next attempt did. `edited` is
    true if the request was changed for it. `tokens` are those of the failed attempt, if it reported them.
    """

    rule: str
    refused: str
    done: str
    edited: bool = False
    tokens: Tokens | None = None


@dataclass(frozen=True)
class Record:
    """One finished call.

    `at` is when it came (Unix seconds), `person` the name of whose key it came with, `address` where it came from, None
    for this machine; `asked` and `model` are the model that the client named and the one that was sent. `status` is the
    HTTP status that the client got; `error` and `code` are the message and the code that it got, be it in the stream or
    in place of it. `first_token` and `total` are seconds since `at`. `changes` are what the addon changed in the
    request, None if that is not recorded: the request was not sent, or an older release wrote the record. `attempts`
    are those before the last, which the rest of the record is about. `endpoint` is the name of where it went, or its
    host, and `reason` says why there, if there is a choice.
    """

    at: float
    person: str | None = None
    address: str | None = None
    asked: str | None = None
    model: str | None = None
    effort: str | None = None
    verbosity: str | None = None
    conversation: str | None = None
    endpoint: str | None = None
    reason: str | None = None
    instructions: InstructionsSource | None = None
    status: int = 200
    outcome: Outcome = "completed"
    error: str | None = None
    code: str | None = None
    repaired: tuple[str, ...] = ()
    events: int = 0
    tokens: Tokens | None = None
    first_token: float | None = None
    total: float | None = None
    cache: CacheVerdict | None = None
    changes: tuple[Change, ...] | None = None
    attempts: tuple[FailedAttempt, ...] = ()

    @property
    def all_tokens(self) -> Tokens:
        """The tokens of all attempts together, as far as the endpoint reported them."""
        used = [each for each in (self.tokens, *(attempt.tokens for attempt in self.attempts)) if each]
        return Tokens(
            input=sum(each.input for each in used),
            cached=sum(each.cached for each in used),
            output=sum(each.output for each in used),
            reasoning=sum(each.reasoning for each in used),
        )

    @property
    def is_call(self) -> bool:
        """Whether it became a call of a model: the proxy did not refuse it, nor did its client leave, before that."""
        return self.model is not None or self.asked is not None

    @property
    def sent(self) -> int:
        """How many requests were sent to an endpoint for it."""
        return 1 + len(self.attempts) if self.is_call else 0

    @property
    def refused(self) -> Reason | None:
        """Why the proxy itself refused the request, so that it is no call of a model; None for every other call."""
        return refusal_reason(self.status, self.code) if self.outcome == "error" and not self.is_call else None

    @property
    def healed(self) -> bool:
        """Whether it was answered, though the endpoint had refused an earlier form of the request."""
        return self.outcome in ("completed", "incomplete") and any(attempt.edited for attempt in self.attempts)
