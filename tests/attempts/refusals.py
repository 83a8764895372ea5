"""For the tests of the rules: what endpoints refuse, and the request that is sent next."""

import json
from typing import Any

from codex_transform.attempts.edits import apply_all
from codex_transform.attempts.failure import Failure, from_response
from codex_transform.attempts.next_attempt import Policy, decide
from codex_transform.attempts.rule import Sent
from codex_transform.request.changes import Changes
from codex_transform.request.input_items import message

PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"
SVG = "data:image/svg+xml;base64,PHN2Zy8+"


def reasoning(content: str) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [], "encrypted_content": content}


def image(url: str) -> dict[str, Any]:
    return {"type": "input_image", "image_url": url}


def call(call_id: str, name: str = "bash") -> list[dict[str, Any]]:
    return [
        {"type": "function_call", "name": name, "arguments": "{}", "call_id": call_id},
        {"type": "function_call_output", "call_id": call_id, "output": f"output of {call_id}"},
    ]


def a_body(*items: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"model": "gpt-5.1", "instructions": "be good", "input": [message("user", "hello"), *items], **members}


def refused(status: int, payload: object) -> Failure:
    return from_response(status, {"content-type": "application/json"}, json.dumps(payload).encode(), 0.1)


def openai(message: str, code: str | None = None, param: str | None = None, status: int = 400) -> Failure:
    error = {"message": message, "type": "invalid_request_error", "code": code, "param": param}
    return refused(status, {"error": error})


def healed(failure: Failure, body: dict[str, Any], **sent: Any) -> dict[str, Any] | None:
    """The body of the next attempt, or None if there is none."""
    attempt = decide(failure, Sent(body, **sent), [], Policy())
    if attempt is None or attempt.edit is None:
        return None
    changes = Changes()
    changed = json.loads(json.dumps(body))
    assert attempt.edit.apply(changed, changes)
    assert changes.collect()
    again = json.loads(json.dumps(body))
    assert apply_all([attempt.edit], again, Changes()) == [attempt.edit]
    assert again == changed
    assert not attempt.edit.apply(changed, Changes()), "an edit applies once"
    return dict(changed)
