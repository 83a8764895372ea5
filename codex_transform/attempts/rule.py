"""What a rule is: a kind of refusal, what it changes, and for whom that is remembered."""

import re
from collections.abc import Callable, Sequence
from enum import Enum
from functools import cache
from typing import NamedTuple

from codex_transform.attempts.edits import Body, Edit
from codex_transform.attempts.failure import Failure
from codex_transform.clients.client import OTHER, Client

INVALID = (400, 404, 415, 422)
"""The statuses of a request that is not as the endpoint wants it."""

NOT_THE_FORM = ("context_length_exceeded", "cyber_policy", "bio_policy", "content_policy_violation", "model_not_found")
"""Codes of refusals that no other form of the request would cure."""

UNKNOWN_PARAMETER = ("unsupported_parameter", "unknown_parameter", "extra_forbidden", "unrecognized_parameter")
"""Codes for a parameter, or a member of an item, that the endpoint does not know."""


class Scope(Enum):
    """For whom an edit that helped is remembered."""

    CONVERSATION = "for the conversation"
    ENDPOINT = "for a day, for this endpoint and model"


class Instructions(NamedTuple):
    """Instructions that may be sent: `source` names where they come from, as in `InstructionStore.source`."""

    text: str
    source: str


class Sent(NamedTuple):
    """What was sent: the body, and how to get the model's own Codex instructions, the newest first.

    `source` is where the instructions that were sent come from: `client`, or as in `InstructionStore.source`. `client`
    is who sent the request, and `mode` CODEX_MODE.
    """

    body: Body
    codex_instructions: Callable[[], Sequence[Instructions]] = tuple
    source: str = "main"
    client: Client = OTHER
    mode: bool = True


class Rule(NamedTuple):
    """One kind of refusal. `find` returns the edit that may cure it, None if the failure is of another kind."""

    name: str
    find: Callable[[Failure, Sent], Edit | None]
    scope: Scope


@cache
def words(pattern: str) -> re.Pattern[str]:
    """Return a pattern for an endpoint's message: in any case, over several lines.

    To be called when there is a message: most proxies end without a refusal, and need none of them compiled.
    """
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)
