"""Faults that refuse a request for something in it, and accept it without that."""

import base64
from typing import Any

import pytest
from sandbox.client import Client

from codex_transform.sandbox import FAULTS


def user_message(part: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [part]}


# For each fault: the status, fields that are refused, and fields that are accepted.
SVG = {"type": "input_image", "image_url": "data:image/svg+xml;base64,PHN2Zy8+"}
SEALED = {"type": "reasoning", "summary": [], "encrypted_content": base64.b64encode(b"sandbox:x").decode()}
REFUSED: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = {
    "no-parallel-tool-calls": (400, {"parallel_tool_calls": True}, {}),
    "no-include": (400, {"include": []}, {}),
    "no-tool-choice": (422, {"tool_choice": "auto"}, {}),
    "no-item-summary": (400, {"input": [SEALED]}, {}),
    "no-encrypted-member": (400, {"input": [SEALED]}, {"input": [{"type": "reasoning", "summary": []}]}),
    "no-web-search-items": (400, {"input": [{"type": "web_search_call"}]}, {}),
    "other-account": (400, {"input": [SEALED]}, {"input": [{"type": "reasoning", "summary": []}]}),
    "invalid-image": (400, {"input": [user_message(SVG)]}, {}),
    "invalid-image-somewhere": (400, {"input": [user_message(SVG)]}, {}),
    "no-images": (400, {"input": [user_message(SVG)]}, {}),
    "codex-instructions": (400, {}, {"instructions": "be good [codex]"}),
    "too-large@1": (413, {"instructions": "x" * 1000}, {"instructions": "x"}),
}


def test_every_refusing_fault_is_tested() -> None:
    refusing = {name for name, fault in FAULTS.items() if fault.about.startswith("refuses ")}
    assert {name.partition("@")[0] for name in REFUSED} == refusing | {"too-large"}


@pytest.mark.parametrize("name", REFUSED)
def test_only_requests_with_the_refused_part_are_refused(client: Client, name: str) -> None:
    status, refused, accepted = REFUSED[name]
    assert client.ask("hello", misbehave=name, **refused).status == status
    assert client.ask("hello", misbehave=name, **accepted).status == 200
    assert client.ask("hello", **refused).status == 200


def test_another_account_accepts_its_own_reasoning(client: Client) -> None:
    answer = client.ask(
        "hello", misbehave="other-account", include=["reasoning.encrypted_content"], reasoning={"effort": "low"}
    )
    (sealed,) = [item for item in answer.items if item["type"] == "reasoning"]
    own = {"type": "reasoning", "summary": [], "encrypted_content": sealed["encrypted_content"]}
    assert client.ask("hello", misbehave="other-account", input=[own]).status == 200
