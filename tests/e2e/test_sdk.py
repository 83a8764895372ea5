"""OpenAI's own Python SDK through the real mitmdump: an independent judge of the standard format."""

from collections.abc import Callable
from typing import Any

import openai
import pytest
from support.running import Proxy
from support.sdk import client

from codex_transform.sandbox import Sandbox

Start = Callable[..., Proxy]

TOOL: Any = {
    "type": "function",
    "name": "write",
    "description": "Writes a file",
    "parameters": {
        "type": "object",
        "properties": {"filePath": {"type": "string"}, "content": {"type": "string"}},
        "required": ["filePath", "content"],
    },
    "strict": False,
}


def test_a_streamed_answer_is_complete(proxy: Start, sandbox: Sandbox) -> None:
    with (
        client(proxy()) as sdk,
        sdk.responses.stream(model="gpt-5-codex", input="say hello") as stream,
    ):
        deltas = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert "[sandbox]" in deltas
    assert final.output_text == deltas
    assert final.model == "gpt-5-codex"
    assert final.usage is not None
    assert final.usage.output_tokens > 0
    assert sandbox.requests[0]["body"]["model"] == "gpt-5.1-codex"


def test_an_answer_without_streaming_is_complete(proxy: Start) -> None:
    with client(proxy()) as sdk:
        response = sdk.responses.create(model="gpt-5.1 high", input="say hello", temperature=0.2)
    assert "[sandbox]" in response.output_text
    assert response.status == "completed"
    assert response.model == "gpt-5.1 high"
    assert response.usage is not None


def test_a_tool_round_trip(proxy: Start) -> None:
    with client(proxy()) as sdk:
        first = sdk.responses.create(model="gpt-5.2-codex", input="write hello world to test.txt", tools=[TOOL])
        (call,) = [item for item in first.output if item.type == "function_call"]
        assert call.name == "write"
        history: Any = [
            {"role": "user", "content": "write hello world to test.txt"},
            *[item.model_dump(exclude_none=True) for item in first.output],
            {"type": "function_call_output", "call_id": call.call_id, "output": "wrote test.txt"},
        ]
        second = sdk.responses.create(model="gpt-5.2-codex", input=history, tools=[TOOL])
    assert "[sandbox]" in second.output_text


def test_a_wrong_key_is_an_authentication_error(proxy: Start) -> None:
    with (
        client(proxy(CODEX_API_KEY="sk-wrong-key-0000000000")) as sdk,
        pytest.raises(openai.AuthenticationError, match="codex_api_key"),
    ):
        sdk.responses.create(model="gpt-5.1", input="say hello")


def test_bad_input_is_a_bad_request(proxy: Start, sandbox: Sandbox) -> None:
    bad: Any = {"effort": "enormous"}
    with client(proxy()) as sdk, pytest.raises(openai.BadRequestError) as refused:
        sdk.responses.create(model="gpt-5.1", input="say hello", reasoning=bad)
    assert refused.value.param == "reasoning.effort"
    assert not sandbox.requests


def test_an_endpoint_that_is_down_is_a_server_error(proxy: Start) -> None:
    with (
        client(proxy(CODEX_BASE_URL="http://127.0.0.1:9")) as sdk,
        pytest.raises(openai.InternalServerError, match=r"127\.0\.0\.1:9") as failed,
    ):
        sdk.responses.create(model="gpt-5.1", input="say hello", stream=True)
    assert failed.value.status_code == 502


def test_a_clients_key_is_forwarded_only_if_set(proxy: Start, sandbox: Sandbox) -> None:
    running = proxy(CODEX_FORWARD_CLIENT_KEY="1", CODEX_API_KEY=None)
    with client(running) as sdk, pytest.raises(openai.AuthenticationError):
        sdk.responses.create(model="gpt-5.1", input="say hello")
    assert sandbox.requests[0]["headers"]["authorization"].endswith("0000")
