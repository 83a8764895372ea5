"""Endpoints that refuse a request for something in it, and answer the same request well without it.

Strategy: each edit looks at the request that is being answered, so these faults last as long as they are set, as those
of real endpoints do. Forms and codes are those that users of OpenAI's API, of the Codex backend and of relays report;
the wording is ours.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from codex_transform.jsonio import dumps
from codex_transform.sandbox.planned_response import Edit, Event, PlannedResponse

_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")

_OWN, _OTHER = b"sandbox:", b"account2:"


def parameter(name: str, transform: str) -> Edit:
    """Refuse a parameter of the request, in the words of one of three servers."""
    payloads: Mapping[str, tuple[int, Any]] = {
        "codex": (400, {"detail": f"Unsupported parameter: {name}"}),
        "openai": (
            400,
            _error(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name),
        ),
        "fastapi": (
            422,
            {"detail": [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}]},
        ),
    }
    status, payload = payloads[transform]

    def edit(planned: PlannedResponse, _at: int) -> None:
        if name in planned.request:
            _refuse(planned, status, payload)

    return edit


def item_member(member: str) -> Edit:
    """Refuse the first item that has this member, by its path."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        for index, item in enumerate(planned.request["input"]):
            if member in item:
                path = f"input[{index}].{member}"
                _refuse(planned, 400, _error(f"Unknown parameter: '{path}'.", code="unknown_parameter", param=path))
                return

    return edit


def item_type(kind: str) -> Edit:
    """Refuse the first item of this type, by its path."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        for index, item in enumerate(planned.request["input"]):
            if item["type"] == kind:
                path = f"input[{index}].type"
                _refuse(planned, 400, _error(f"Invalid value: '{kind}'.", code="invalid_value", param=path))
                return

    return edit


def other_account() -> Edit:
    """Refuse encrypted reasoning that was not made while this fault is set, as after a relay has changed accounts."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        for item in planned.request["input"]:
            content = item.get("encrypted_content") if item["type"] == "reasoning" else None
            if content and b64decode(content).startswith(_OWN):
                said = f"The encrypted content {content[:4]}...{content[-4:]} could not be verified."
                _refuse(planned, 400, _error(said, code="invalid_encrypted_content"))
                return
        planned.events = _sealed(planned.events)

    return edit


def images(param: str | None) -> Edit:
    """Refuse what is not a complete PNG, JPEG, GIF or WebP; `param` is what the error names, None for the part."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        for path, url in _images(planned.request["input"]):
            if url.startswith("data:") and not _is_image(b64decode(url.partition(",")[2])):
                said = "The data of this image does not represent a valid image."
                _refuse(planned, 400, _error(said, code="invalid_value", param=param or f"{path}.image_url"))
                return

    return edit


def no_images() -> Edit:
    """Refuse every image, as for a model that cannot see."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        if any(_images(planned.request["input"])):
            _refuse(planned, 400, _error("This model does not support image input.", code="unsupported_image"))

    return edit


def instructions(mark: str) -> Edit:
    """Refuse instructions that lack this mark."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        if mark not in planned.request["instructions"]:
            _refuse(planned, 400, {"detail": "Instructions are not valid"})

    return edit


def size() -> Edit:
    """Refuse bodies of more than `at` kB with the page of a gateway."""

    def edit(planned: PlannedResponse, at: int) -> None:
        if planned.size > at * 1000:
            page = b"<html><head><title>413 Request Entity Too Large</title></head><body></body></html>"
            planned.replace(413, "text/html", page)

    return edit


def _error(message: str, **members: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, **members}}


def _refuse(planned: PlannedResponse, status: int, payload: Any) -> None:
    planned.replace(status, "application/json", dumps(payload))


def _is_image(data: bytes) -> bool:
    return data.startswith(_SIGNATURES) and (not data.startswith(_SIGNATURES[0]) or b"IEND" in data[-8:])


def _images(items: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the path and the URL of each image."""
    for index, item in enumerate(items):
        for member in ("content", "output"):
            parts = item.get(member)
            for position, part in enumerate(parts if isinstance(parts, list) else ()):
                if part.get("type") == "input_image" and isinstance(part.get("image_url"), str):
                    yield f"input[{index}].{member}[{position}]", part["image_url"]


def _sealed(events: Iterable[Event]) -> Iterator[Event]:
    """Yield the events with the encrypted content of the other account."""
    for event in events:
        item = event.get("item") or {}
        if "encrypted_content" in item:
            content = b64decode(item["encrypted_content"]).removeprefix(_OWN)
            event = {**event, "item": {**item, "encrypted_content": b64encode(_OTHER + content).decode()}}
        yield event
