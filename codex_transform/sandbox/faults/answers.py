"""Faults of the whole response: an error, a page for a browser, JSON instead of a stream, or nothing at all.

Strategy: each function returns an edit that replaces the response's head and body, or changes one header. The forms
are those that Codex endpoints, gateways in front of them and OpenAI's API are known to send.
"""

import time
from collections.abc import Mapping
from typing import Any

from codex_transform.jsonio import dumps
from codex_transform.sandbox.events import Item
from codex_transform.sandbox.planned_response import Edit, PlannedResponse

RESETS_IN = 3600


def error(status: int, **error: Any) -> Edit:
    """Answer with this status and an error object."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        planned.replace(status, "application/json", dumps({"error": error}))

    return edit


def usage_limit(status: int, *, told_in: str) -> Edit:
    """Answer that the limit of a plan is reached.

    How long it lasts is `told_in` the field resets_in_seconds or resets_at, or by the x-codex-* headers of this status
    alone.
    """

    def edit(planned: PlannedResponse, _at: int) -> None:
        error: dict[str, Any] = {
            "type": "usage_limit_reached",
            "message": "The usage limit has been reached",
            "plan_type": "sandbox",
        }
        headers = {}
        if told_in == "headers":
            headers = {
                "x-codex-primary-used-percent": "100",
                "x-codex-primary-window-minutes": "300",
                "x-codex-primary-reset-after-seconds": str(RESETS_IN),
            }
        else:
            error[told_in] = RESETS_IN if told_in == "resets_in_seconds" else int(time.time()) + RESETS_IN
        planned.replace(status, "application/json", dumps({"error": error}), **headers)

    return edit


def text(status: int, content_type: str, body: str, **headers: str) -> Edit:
    """Answer with this status and a body of this type."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        planned.replace(status, content_type, body.encode(), **headers)

    return edit


def page(status: int) -> Edit:
    """Answer with the page of a gateway or a login wall."""
    body = (
        "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n"
        "<body><h1>Sign in to continue</h1><p>This is a page of the sandbox.</p></body></html>\n"
    )
    return text(status, "text/html; charset=utf-8", body)


def redirect() -> Edit:
    """Redirect to another host name, where no key may be sent: the sandbox itself, which records what it receives."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        elsewhere = planned.origin.replace("127.0.0.1", "localhost") + "/elsewhere/responses"
        planned.replace(302, "text/plain", b"", location=elsewhere)

    return edit


def json_document(content_type: str) -> Edit:
    """Answer with the whole response as one JSON document of this type, its output filled."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        items: list[Item] = []
        response: Mapping[str, Any] = {}
        for event in planned.events:
            response = event.get("response", response)
            if event["type"] == "response.output_item.done":
                items.append(event["item"])
        planned.replace(200, content_type, dumps({**response, "output": items}))

    return edit


def nothing(*, chunked: bool) -> Edit:
    """Status 200 and an empty body."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        planned.body = []
        if not chunked:
            planned.headers["content-length"] = "0"

    return edit


def header(name: str, value: str | None) -> Edit:
    """Give one header another value, or leave it out."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        planned.headers.pop(name, None)
        if value is not None:
            planned.headers[name] = value

    return edit


def headers(**values: str) -> Edit:
    """Add headers. Underscores in their names become dashes."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        planned.headers.update({name.replace("_", "-"): value for name, value in values.items()})

    return edit


def known_length() -> Edit:
    """Send the stream with a content-length, so that it is complete before the first byte is sent."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        body = b"".join(step for step in planned.steps() if isinstance(step, bytes))
        planned.headers["content-length"] = str(len(body))
        planned.body, planned.transforms = [body], []

    return edit
