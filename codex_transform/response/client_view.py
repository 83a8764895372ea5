"""What an answer is to its client, besides what the endpoint says."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class ClientView(NamedTuple):
    """How a client sees an answer.

    `model` is the name that the client asked for, None to leave the endpoint's. `members`, such as
    `previous_response_id`, are set in every response object: the endpoint knows nothing of them. With `codex_events`,
    the client knows the events that only Codex endpoints send. `on_response` is called with the final response object
    before the client gets it.
    """

    model: str | None = None
    members: Mapping[str, Any] = MappingProxyType({})
    codex_events: bool = False
    on_response: Callable[[dict[str, Any]], None] | None = None
