"""The cases of the specification's compliance suite through the real mitmdump, judged by the specification's models.

The endpoint is the sandbox: with complete events, with a final event without items, and as a minimal relay.
"""

import json
import struct
import zlib
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from response.specification import check_events, check_response
from response.streams import events_of
from support.running import Proxy, mitmdump

from codex_transform import sandbox as sandboxes
from codex_transform.sandbox import Sandbox

ENDPOINTS = ("complete", "empty", "thin")

MODEL = "gpt-5.1-codex"

WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "Tells the weather",
    "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
}


def red_square() -> str:
    """A small image, as a data URL."""

    def piece(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\xff\0\0" * 8 for _ in range(8))
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    body = piece(b"IHDR", header) + piece(b"IDAT", zlib.compress(rows)) + piece(b"IEND", b"")
    return "data:image/png;base64," + b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


def said(text: str, role: str = "user") -> dict[str, Any]:
    return {"type": "message", "role": role, "content": text}


CASES: dict[str, dict[str, Any]] = {
    "basic text": {"input": [said("Say hello in exactly 3 words.")]},
    "streaming": {"input": [said("Count to 5.")], "stream": True},
    "system prompt": {"input": [said("You are a pirate.", "system"), said("Say hello.")]},
    "tool calling": {"input": [said('use get_weather with {"location": "Oslo"}')], "tools": [WEATHER]},
    "image input": {
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What do you see?"},
                    {"type": "input_image", "image_url": red_square()},
                ],
            }
        ]
    },
    "several turns": {
        "input": [said("My name is Alice."), said("Hello Alice!", "assistant"), said("What is my name?")],
    },
    "string input": {"input": "say hello"},
    "all that a request may say": {
        "input": "say hello",
        "instructions": "Be brief.",
        "tools": [WEATHER],
        "tool_choice": "auto",
        "temperature": 0.2,
        "top_p": 0.5,
        "metadata": {"topic": "tests"},
        "parallel_tool_calls": False,
        "truncation": "auto",
        "max_output_tokens": 500,
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"verbosity": "low"},
        "user": "someone",
    },
}


@pytest.fixture(scope="module", params=ENDPOINTS)
def endpoint(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    kind = request.param
    with sandboxes.running(
        Sandbox(fill_output=kind == "complete", misbehave="thin" if kind == "thin" else None)
    ) as running:
        yield running


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory, endpoint: Sandbox) -> Iterator[Proxy]:
    with mitmdump(tmp_path_factory.mktemp("compliance") / "home", endpoint) as running:
        yield running


def told(request: dict[str, Any], response: dict[str, Any]) -> None:
    """Assert that the response repeats the client's request, and not the one that the endpoint got."""
    check_response(response)
    assert response["model"] == MODEL
    assert response["status"] == "completed"
    assert response["instructions"] == request.get("instructions")
    assert [tool["name"] for tool in response["tools"]] == [tool["name"] for tool in request.get("tools", ())]
    for name in ("tool_choice", "temperature", "top_p", "metadata", "parallel_tool_calls", "truncation", "user"):
        if name in request:
            assert response[name] == request[name]
    assert response["reasoning"] is None or {"effort", "summary"} <= response["reasoning"].keys()
    last = response["output"][-1]
    if "get_weather with" in json.dumps(request["input"]):
        assert last["type"] == "function_call"
        assert json.loads(last["arguments"]) == {"location": "Oslo"}
    else:
        assert last["content"][0]["text"].startswith("[sandbox]")


@pytest.mark.parametrize("case", CASES)
def test_a_response_satisfies_the_specification(relay: Proxy, case: str) -> None:
    request = {"model": MODEL, **CASES[case], "stream": False}
    status, _, body = relay.send(request)
    assert status == 200, body
    told(request, json.loads(body))


@pytest.mark.parametrize("case", CASES)
def test_a_stream_satisfies_the_specification(relay: Proxy, case: str) -> None:
    request = {"model": MODEL, **CASES[case], "stream": True}
    status, headers, body = relay.send(request)
    assert status == 200, body
    assert headers["content-type"].startswith("text/event-stream")
    assert b"You are Codex" not in body
    events = events_of(body)
    check_events(events)
    told(request, events[-1]["response"])
    deltas = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    texts = [part["text"] for item in events[-1]["response"]["output"] for part in item.get("content") or ()]
    assert deltas == "".join(texts)
