"""Make an event stream the one response object of a client that does not stream.

Strategy: the endpoint's stream is rewritten as for a client that streams, so what is combined here is a standard
stream, whatever the endpoint sent. Its final event holds the response. Only if that has no items, because they were too
big to be kept while the stream passed, its output is what the events before it add up to.
"""

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from codex_transform import jsonio
from codex_transform.response import body_errors, sse
from codex_transform.response.event_rules import Action, rule_for
from codex_transform.response.output_items import OutputItems
from codex_transform.response.stream import ResponseStream

Event = dict[str, Any]

_ENDS = ("response.completed", "response.incomplete")


class CollectedAnswer(NamedTuple):
    """An answer whose `body` has come as a whole, and the standard `stream` that it was rewritten to."""

    body: bytes
    answer: ResponseStream
    stream: bytes


def collect(body: bytes, answer: ResponseStream) -> CollectedAnswer:
    """Read a body. `answer` has seen nothing yet, and knows the facts afterwards.

    Raises ApiError, with the status that belongs to it, for an error or a response that failed, and 502 for an answer
    that was cut off or is none.
    """
    stream = answer.feed(body) + answer.finish()
    if answer.error:
        raise answer.error
    return CollectedAnswer(body, answer, stream)


def events_to_response(collected: CollectedAnswer) -> dict[str, Any]:
    """Return the response object that an answer is or streams. Raises ApiError 502 if it cannot be read."""
    events = list(_events(collected.stream))
    response = next((event.get("response") for event in events if event.get("type") in _ENDS), None)
    if not isinstance(response, dict) or not isinstance(response.get("output"), list):
        # An event beyond the limit passes a stream as it came; there is no telling what it holds.
        raise body_errors.truncated("The answer ended with an event that is too large to be read.")
    if not response["output"]:
        response["output"] = _output(events, str(response.get("status")))
    given = collected.answer.given_ids
    for item in response["output"] if given else ():
        if isinstance(item, dict) and item.get("id") in given:
            # Nobody has seen the ids of the stream.
            item["id"] = given[item["id"]]
    return response


def _events(stream: bytes) -> Iterator[Event]:
    for block in sse.split(stream):
        if event := jsonio.loads_object(sse.parse(block).data or b""):
            yield event


def _output(events: list[Event], status: str) -> list[Any]:
    """Return the items of a stream; `status` is for those that were never done."""
    items = OutputItems(sys.maxsize)
    for event in events:
        rule = rule_for(str(event.get("type")))
        if rule.action is Action.ITEM or "item_id" in rule.needs:
            items.repair(event, 0)
    return items.output(status)
