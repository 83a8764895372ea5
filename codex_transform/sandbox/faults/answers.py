"""Faults of the whole answer: an error, a page for a browser, JSON instead of a stream, or nothing at all.

Strategy: each function makes an edit that replaces the script's head and body, or corrects one header. Shapes as
Codex endpoints, the gateways before them and OpenAI's API are known to send them.
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

    def edit(script: PlannedResponse, _at: int) -> None:
        script.replace(status, "application/json", dumps({"error": error}))

    return edit


def usage_limit(status: int, *, told_in: str) -> Edit:
    """Answer that the limit of a plan is reached.

    How long it lasts is `told_in` the field resets_in_seconds or resets_at, or by the x-codex-* headers of this status
    alone.
    """

    def edit(script: PlannedResponse, _at: int) -> None:
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
        script.replace(status, "application/json", dumps({"error": error}), **headers)

    return edit


def text(status: int, content_type: str, body: str, **headers: str) -> Edit:
    """Answer with this status and a body of this type."""

    def edit(script: PlannedResponse, _at: int) -> None:
        script.replace(status, content_type, body.encode(), **headers)

    return edit


def page(status: int) -> Edit:
    """Answer with the page of a gateway or a login wall."""
    body = (
        "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n"
        "<body><h1>Sign in to continue</h1><p>This is a page of the sandbox.</p></body></html>\n"
    )
    return text(status, "text/html; charset=utf-8", body)


def redirect() -> Edit:
    """To another host name, where a key must never go: the sandbox itself, which records what comes."""

    def edit(script: PlannedResponse, _at: int) -> None:
        elsewhere = script.origin.replace("127.0.0.1", "localhost") + "/elsewhere/responses"
        script.replace(302, "text/plain", b"", location=elsewhere)

    return edit


def json_document(content_type: str) -> Edit:
    """Answer with the whole response as one JSON document of this type, its output filled."""

    def edit(script: PlannedResponse, _at: int) -> None:
        items: list[Item] = []
        response: Mapping[str, Any] = {}
        for event in script.events:
            response = event.get("response", response)
            if event["type"] == "response.output_item.done":
                items.append(event["item"])
        script.replace(200, content_type, dumps({**response, "output": items}))

    return edit


def nothing(*, chunked: bool) -> Edit:
    """Status 200 and an empty body."""

    def edit(script: PlannedResponse, _at: int) -> None:
        script.body = []
        if not chunked:
            script.headers["content-length"] = "0"

    return edit


def header(name: str, value: str | None) -> Edit:
    """One header otherwise, or not at all."""

    def edit(script: PlannedResponse, _at: int) -> None:
        script.headers.pop(name, None)
        if value is not None:
            script.headers[name] = value

    return edit


def headers(**values: str) -> Edit:
    """More headers. Underscores in their names become dashes."""

    def edit(script: PlannedResponse, _at: int) -> None:
        script.headers.update({name.replace("_", "-"): value for name, value in values.items()})

    return edit


def known_length() -> Edit:
    """Send the stream with a content-length, so that all of it is made before the first byte leaves."""

    def edit(script: PlannedResponse, _at: int) -> None:
        body = b"".join(step for step in script.play() if isinstance(step, bytes))
        script.headers["content-length"] = str(len(body))
        script.body, script.shapes = [body], []

    return edit
