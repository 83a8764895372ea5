"""If an endpoint quotes the key in its answer, neither the client gets it nor is it saved anywhere."""

import json
import re
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from e2e.keys.recording import HELLO, flows, message, recording
from support.scripted import Scripted, scripted

from codex_transform.redaction import redact

# Only in the gate, because each test starts whole programs.
pytestmark = pytest.mark.gate


def authorization(request: bytes) -> str:
    (found,) = re.findall(rb"(?i)\r\nauthorization: (.*)\r\n", request)
    return str(found.decode())


def answering(answer: Callable[[str], bytes]) -> closing[Scripted]:
    """Run an endpoint that makes its answer from the Authorization header that it received."""

    def play(endpoint: Scripted, client: socket.socket, _number: int) -> None:
        while endpoint.read(client):
            client.sendall(answer(authorization(endpoint.requests[-1])))

    return scripted(play)


def response(status: int, headers: str, body: str) -> bytes:
    return f"HTTP/1.1 {status} Yes\r\n{headers}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize("key", ["sk-of-an-endpoint-0123456789", "my-own-words-as-a-key"])
def test_a_key_quoted_in_a_response_is_redacted(tmp_path: Path, key: str) -> None:
    asked = [(status, stream) for status in (400, 401, 429, 500) for stream in (True, False)]

    def answer(sent: str) -> bytes:
        status, _ = asked[len(endpoint.requests) - 1]
        body = json.dumps({"error": {"message": f"Bad key: {sent.partition(' ')[2]}, try another."}})
        return response(status, f"Content-Type: application/json\r\nX-Debug: {sent}", body)

    with answering(answer) as endpoint:
        endpoint.key = key
        with recording(tmp_path / "home", endpoint) as proxy:
            for status, stream in asked:
                got, headers, body = proxy.send({**HELLO, "stream": stream})
                assert got == status
                assert key not in f"{headers} {body.decode()}"
                assert f"…{key[-4:]}" in message(body)
        assert [authorization(request) for request in endpoint.requests] == [f"Bearer {key}"] * len(asked)


@pytest.mark.parametrize("stored", ["true", "false"])
def test_a_key_quoted_in_a_stream_is_redacted(tmp_path: Path, stored: str) -> None:
    """Whether mitmproxy's own option or this addon saves the stream: neither it nor the comment has the key."""

    def answer(sent: str) -> bytes:
        failure = {"code": "server_error", "message": f"Bad key: {sent.partition(' ')[2]}."}
        events = (
            {"type": "response.created", "response": {"id": "r"}},
            {"type": "response.failed", "response": {"id": "r", "status": "failed", "error": failure}},
        )
        body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        return response(200, "Content-Type: text/event-stream", body)

    with answering(answer) as endpoint:
        home = tmp_path / "home"
        with recording(home, endpoint, stored=stored) as proxy:
            assert proxy.send(HELLO)[0] == 200
        (flow,) = flows(home / "flows")
        assert flow.response
        shown = redact(endpoint.key)
        assert shown.encode() in (flow.response.raw_content or b"")
        assert f"failed server_error: Bad key: {shown}." in flow.comment


def test_a_key_quoted_in_an_invalid_response_is_redacted(tmp_path: Path) -> None:
    def play(endpoint: Scripted, client: socket.socket, _number: int) -> None:
        endpoint.read(client)
        client.sendall(f"ERROR for {authorization(endpoint.requests[-1])}\r\n\r\n".encode())

    with scripted(play) as endpoint, recording(tmp_path / "home", endpoint) as proxy:
        status, _, answer = proxy.send(HELLO)
        assert status == 502
        assert endpoint.key not in message(answer)
