"""Answers over a WebSocket: the real mitmdump, a client of the tests' own, and what the endpoint received."""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support import sdk
from support.running import Proxy, mitmdump
from support.waiting import eventually
from support.websocket import Client, connected, unopened
from wsproto.events import CloseConnection, Ping, Pong, TextMessage

from codex_transform.sandbox import Sandbox

Start = Callable[..., Proxy]

SHELL = {
    "type": "function",
    "name": "bash",
    "description": "Runs a command.",
    "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
}


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    """The module's endpoint, without the requests of the test before."""
    shared_sandbox.forget()
    shared_sandbox.behave()
    return shared_sandbox


@pytest.fixture
def client(quiet_proxy: Proxy, sandbox: Sandbox) -> Iterator[Client]:  # noqa: ARG001
    with connected(quiet_proxy) as opened:
        yield opened


def said(entry: dict[str, Any]) -> list[str]:
    """Return the texts in the input that the endpoint received."""
    return [part["text"] for item in entry["body"]["input"] for part in item.get("content", ())]


def test_a_second_turn_continues_a_first_that_is_not_stored(client: Client, sandbox: Sandbox) -> None:
    first = client.answer(input="one", store=False)
    assert [event["sequence_number"] for event in first] == list(range(len(first)))
    response = first[-1]["response"]
    assert first[0]["response"]["id"] == response["id"]
    assert response["store"] is False
    second = client.response(input="two", store=False, previous_response_id=response["id"])
    assert second["previous_response_id"] == response["id"]
    third = client.response(input="three", store=False, previous_response_id=second["id"])
    assert said(sandbox.requests[-1])[::2] == ["one", "two", "three"]
    assert len({first[-1]["response"]["id"], second["id"], third["id"]}) == 3
    entry = sandbox.requests[-1]
    assert (entry["method"], entry["body"]["stream"], entry["body"]["store"]) == ("POST", True, False)
    assert not [name for name in entry["headers"] if name.startswith(("sec-websocket", "upgrade"))]


def test_events_are_the_same_as_over_http(client: Client, quiet_proxy: Proxy) -> None:
    over_socket = [event["type"] for event in client.answer(input="hello")]
    _, _, answer = quiet_proxy.send({"model": "gpt-5.1", "input": "hello", "stream": True})
    lines = [line for line in answer.decode().splitlines() if line.startswith("data: {")]
    assert over_socket == [json.loads(line[6:])["type"] for line in lines]


def test_a_tool_call_is_answered(client: Client, sandbox: Sandbox) -> None:
    asked = client.response(input="Run `ls` in bash", tools=[SHELL], store=False)
    (call,) = [item for item in asked["output"] if item["type"] == "function_call"]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "a.txt"}
    client.response(input=[output], tools=[SHELL], store=False, previous_response_id=asked["id"])
    items = sandbox.requests[-1]["body"]["input"]
    assert [item["call_id"] for item in items if "call_id" in item] == [call["call_id"]] * 2


def test_stored_responses_are_available_over_http_too(client: Client, quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    made = client.response(response={"input": "one", "store": True})
    body = {"model": "gpt-5.1", "input": "two", "previous_response_id": made["id"]}
    status, _, _ = quiet_proxy.send(body, authorization="Bearer sk-of-the-client-000000")
    assert status == 200
    assert said(sandbox.requests[-1])[::2] == ["one", "two"]


def test_a_warm_up_sends_nothing_and_can_be_continued(client: Client, sandbox: Sandbox) -> None:
    events = client.answer(input="zero", generate=False, store=False)
    assert [event["type"] for event in events] == ["response.created", "response.in_progress", "response.completed"]
    warm = events[-1]["response"]
    assert (warm["status"], warm["output"], warm["usage"]["total_tokens"]) == ("completed", [], 0)
    assert not sandbox.requests
    made = client.response(input=[{"role": "user", "content": "one"}], previous_response_id=warm["id"], store=False)
    assert made["previous_response_id"] == warm["id"]
    assert said(sandbox.requests[-1]) == ["zero", "one"]
    client.create(input="x", generate=False, previous_response_id="resp_x")
    assert client.error()["error"]["code"] == "previous_response_not_found"


def test_unstored_responses_are_unknown_on_another_connection(
    client: Client, quiet_proxy: Proxy, sandbox: Sandbox
) -> None:
    made = client.response(input="one", store=False)
    with connected(quiet_proxy) as other:
        other.create(input="two", previous_response_id=made["id"], store=False)
        error = other.error()
        assert (error["status"], error["error"]["code"]) == (400, "previous_response_not_found")
        assert other.response(input="two", store=False)["status"] == "completed"
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize(
    ("message", "status", "says"),
    [
        ("no json", 400, "not valid JSON"),
        ("", 400, "empty"),
        ("[]", 400, "must be a JSON object"),
        ("{}", 400, "`type` must be"),
        ('{"type": "session.update"}', 400, "session.update"),
        ('{"type": "response.create", "response": 1}', 400, "`response`"),
        ('{"type": "response.create", "generate": 1}', 400, "`generate`"),
        ('{"type": "response.create", "background": true}', 400, "`background`"),
        ('{"type": "response.create", "stream_id": "a"}', 400, "`stream_id`"),
        ('{"type": "response.create", "model": 1, "input": "hi"}', 400, "model"),
        (b"\0\1", 400, "binary"),
    ],
)
def test_invalid_messages_are_answered_with_errors(
    client: Client, sandbox: Sandbox, message: str | bytes, status: int, says: str
) -> None:
    if isinstance(message, bytes):
        client.binary(message)
    else:
        client.text(message)
    error = client.error()
    assert error["status"] == status
    assert says in error["error"]["message"]
    assert error["error"]["type"] == "invalid_request_error"
    assert not sandbox.requests
    assert client.response(input="hello")["status"] == "completed"


def test_an_error_of_the_endpoint_is_an_error_event(client: Client, sandbox: Sandbox) -> None:
    sandbox.misbehave("rate-limit", times=1)
    client.create(input="hello")
    error = client.error()
    assert error["status"] == 429
    assert error["error"]["message"]
    assert error["headers"]["retry-after"]
    assert client.response(input="hello")["status"] == "completed"


def test_a_second_request_during_an_answer_is_refused(quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    sandbox.misbehave("hang", times=1)
    with connected(quiet_proxy) as client:
        client.create(input="hello")
        assert sandbox.wait(lambda all_: len(all_) == 1)
        client.create(input="again")
        while (event := client.event())["type"] != "error":
            assert event["type"].startswith("response.")
        assert (event["status"], event["error"]["code"]) == (409, "response_in_progress")
        assert len(sandbox.requests) == 1


def test_a_client_that_leaves_ends_the_call(quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    sandbox.misbehave("hang", times=1)
    with connected(quiet_proxy) as client:
        client.create(input="hello")
        client.message()
        client.raw(CloseConnection(code=1000))
        assert client.closed().code == 1000
    assert sandbox.wait(lambda all_: bool(all_) and all_[-1]["cancelled"])
    assert len(sandbox.requests) == 1


def test_a_client_that_vanishes_before_the_answer_ends_the_call(quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    sandbox.misbehave("hang-before-head", times=1)
    with connected(quiet_proxy) as client:
        client.create(input="hello")
        assert sandbox.wait(lambda all_: len(all_) == 1)
    assert sandbox.wait(lambda all_: all_[-1]["cancelled"])
    assert not eventually(lambda: len(sandbox.requests) > 1, 0.5), "it was sent again"


def test_pings_are_answered_during_an_answer(quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    sandbox.misbehave("hang", times=1)
    with connected(quiet_proxy) as client:
        client.create(input="hello")
        client.message()
        client.raw(Ping(payload=b"there?"))
        while not isinstance(event := client.next(), Pong):
            assert isinstance(event, TextMessage)
        assert event.payload == b"there?"


def test_a_message_that_is_too_long_closes_the_connection(quiet_proxy: Proxy) -> None:
    with connected(quiet_proxy, tls=False) as client:
        client.socket.sendall(client.frames.send(TextMessage(data="x" * 64_000_001)))
        error = client.error()
        assert error["status"] == 413
        assert "64 MB" in error["error"]["message"]
        assert client.closed().code == 1009


@pytest.mark.parametrize(
    "frame", [b"\x81\x05hello", b"\xf1\x80\0\0\0\0", b"\x83\x80\0\0\0\0"], ids=["unmasked", "reserved", "opcode"]
)
def test_invalid_frames_close_the_connection(client: Client, frame: bytes) -> None:
    client.socket.sendall(frame)
    assert client.closed().code == 1002


def test_websockets_work_over_plain_http_too(quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    with connected(quiet_proxy, tls=False) as client:
        assert client.response(input="hello")["status"] == "completed"
    assert len(sandbox.requests) == 1


def test_clients_that_cannot_open_a_websocket_get_an_error(quiet_proxy: Proxy) -> None:
    for path, more in (("/v1/models", {}), ("/v1/responses", {"sec_websocket_version": "8"})):
        headers = {"upgrade": "websocket", "connection": "Upgrade", "sec_websocket_key": "AAAAAAAAAAAAAAAAAAAAAA=="}
        status, answered, _ = quiet_proxy.send(b"", path, "GET", **{**headers, "sec_websocket_version": "13", **more})
        assert (status, answered["upgrade"]) == (426, "HTTP/1.1")


def test_mitmproxys_option_turns_websockets_off(proxy: Start) -> None:
    with unopened(proxy("--set", "websocket=false")) as client, pytest.raises(AssertionError, match="426"):
        client.open()


def test_connections_are_closed_when_the_proxy_ends(tmp_path: Path, sandbox: Sandbox) -> None:
    with ExitStack() as stack:
        with mitmdump(tmp_path, sandbox) as proxy:
            client = stack.enter_context(connected(proxy))
            assert client.response(input="hello")
        assert client.closed().code == 1001


def test_websockets_work_without_stored_responses(tmp_path: Path, sandbox: Sandbox) -> None:
    with mitmdump(tmp_path, sandbox, CODEX_STATE="off") as proxy, connected(proxy) as client:
        made = client.response(input="one")
        assert client.response(input="two", previous_response_id=made["id"])
        client.create(input="two", conversation="conv_1")
        assert "codex_state" in client.error()["error"]["message"]
    assert said(sandbox.requests[-1])[::2] == ["one", "two"]


def test_a_web_page_may_not_open_a_websocket(quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    with unopened(quiet_proxy) as client, pytest.raises(AssertionError, match="403"):
        client.open(origin="https://evil.example")
    with connected(quiet_proxy, origin="https://api.openai.com") as client:
        assert client.response(input="hello")
    assert len(sandbox.requests) == 1


def test_the_clients_key_is_forwarded(tmp_path: Path, sandbox: Sandbox) -> None:
    with mitmdump(tmp_path, sandbox, CODEX_FORWARD_CLIENT_KEY="1", CODEX_API_KEY=None) as proxy:
        with connected(proxy, sandbox.key) as client:
            assert client.response(input="hello")
        with connected(proxy, "sk-wrong-0000000000") as client:
            client.create(input="hello")
            assert client.error()["status"] == 401


def test_openais_sdk_works_over_a_websocket(quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    trust = ssl.create_default_context(cafile=str(quiet_proxy.ca))
    # With any server, this client's two threads can lose each other in TLS 1.3: session tickets come while it writes.
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    options: Any = {"proxy": quiet_proxy.url, "ssl": trust}
    with (
        sdk.client(quiet_proxy) as openai,
        openai.responses.connect(websocket_connection_options=options) as connection,
    ):
        last = None
        for turn in ("one", "two"):
            connection.response.create(model="gpt-5.1", input=turn, store=False, previous_response_id=last)
            for event in connection:
                if event.type == "response.completed":
                    last = event.response.id
                    break
        connection.response.create(model="gpt-5.1", input="three", previous_response_id="resp_unknown")
        event = connection.recv()
        assert event.type == "error"
    assert said(sandbox.requests[-1])[::2] == ["one", "two"]
