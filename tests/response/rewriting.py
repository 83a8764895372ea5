"""One good response, and what comes out when it is rewritten."""

from typing import Any

from response.streams import answer, events_of, stream

from codex_transform.response.client_view import ClientView
from codex_transform.response.rewriter import Rewriter

ANSWER = answer()
CREATED = ANSWER[0]


def rewrite(data: bytes, model: str | None = None) -> tuple[bytes, Rewriter]:
    rewriter = Rewriter(ClientView(model))
    return rewriter.feed(data) + rewriter.finish(), rewriter


def repaired(*events: Any, model: str | None = None) -> list[Any]:
    """The events that come out for these, the first of which is `response.created`."""
    return events_of(rewrite(stream([CREATED, *events]), model)[0])[1:]
