"""Paths other than /responses: models, token counts, compaction, and paths that are not served."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from support.running import Proxy, mitmdump
from support.scripted import Scripted, scripted
from support.waiting import eventually

from codex_transform import paths
from codex_transform.catalog import models
from codex_transform.sandbox import Sandbox
from codex_transform.usage.store import UsageStore

KEY = "sk-of-the-client-000000"


def ask(proxy: Proxy, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    status, _, answer = proxy.send(content, path, method, authorization=f"Bearer {KEY}", **headers)
    return status, json.loads(answer)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, shared_sandbox: Sandbox) -> Iterator[Proxy]:
    with mitmdump(tmp_path_factory.mktemp("home"), shared_sandbox) as running:
        yield running


NOWHERE = "host.invalid"  # RFC 6761: it never resolves


@pytest.fixture(scope="module")
def nowhere(tmp_path_factory: pytest.TempPathFactory, shared_sandbox: Sandbox) -> Iterator[Proxy]:
    with mitmdump(tmp_path_factory.mktemp("home"), shared_sandbox, CODEX_HOSTS=NOWHERE) as running:
        yield running


def direct(proxy: Proxy, target: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
    """Send a request with this target, as the client of a proxy or of a server does."""
    with closing(HTTPConnection("127.0.0.1", proxy.port, timeout=60)) as client:
        client.request("POST", target, json.dumps(body), headers)
        answer = client.getresponse()
        return answer.status, json.loads(answer.read())


def answering(answers: dict[str, tuple[int, Any]]) -> closing[Scripted]:
    """Run an endpoint that answers with JSON, by path."""

    def play(endpoint: Scripted, client: socket.socket, _: int) -> None:
        with client:
            while True:
                if not read(endpoint, client):
                    return
                path = endpoint.requests[-1].split()[1].decode()
                status, value = answers.get(path, (404, {"detail": "Not Found"}))
                content = json.dumps(value).encode()
                head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
                client.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)

    return scripted(play)


def read(endpoint: Scripted, client: socket.socket) -> bool:
    """Read a request, which may have no body."""
    request = b""
    while b"\r\n\r\n" not in request:
        if not (piece := client.recv(65536)):
            return False
        request += piece
    head, _, body = request.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < (lengths[0] if lengths else 0):
        body += client.recv(65536)
    endpoint.requests.append(head + b"\r\n\r\n" + body)
    return True


def test_models_come_from_the_catalogue_where_the_endpoint_has_no_list(proxy: Proxy) -> None:
    status, listed = ask(proxy, "GET", "/v1/models")
    assert status == 200
    assert {row["id"] for row in listed["data"]} == {model.slug for model in models()}
    assert {row["object"] for row in listed["data"]} == {"model"}
    assert ask(proxy, "GET", "/v1/models/gpt-5.2") == (200, {**listed["data"][0], "id": "gpt-5.2"})
    status, error = ask(proxy, "GET", "/v1/models/gpt-none")
    assert (status, error["error"]["code"]) == (404, "model_not_found")
    assert ask(proxy, "GET", "/backend-api/codex/models?client_version=0.171.0") == (200, {"models": []})


def test_models_come_from_the_endpoint_that_has_a_list(tmp_path: Path) -> None:
    listed = {"object": "list", "data": [{"id": "gpt-x", "object": "model", "created": 1, "owned_by": "me"}]}
    with answering({"/backend-api/codex/models": (200, listed)}) as endpoint, mitmdump(tmp_path, endpoint) as proxy:
        assert ask(proxy, "GET", "/v1/models") == (200, listed)
        assert ask(proxy, "GET", "/v1/models/gpt-x") == (200, listed["data"][0])
        (request, _) = endpoint.requests
        assert f"Bearer {endpoint.key}".encode() in request
        assert KEY.encode() not in request


def test_the_codex_cli_gets_its_form_of_an_endpoints_list(tmp_path: Path) -> None:
    listed = {"models": [{"slug": "gpt-x", "anything": 1}]}
    path = "/backend-api/codex/models?client_version=1"
    answers = {path: (200, listed), "/backend-api/codex/models": (200, listed)}
    with answering(answers) as endpoint, mitmdump(tmp_path, endpoint) as proxy:
        assert ask(proxy, "GET", path) == (200, listed)
        assert [row["id"] for row in ask(proxy, "GET", "/v1/models")[1]["data"]] == ["gpt-x"]


def test_tokens_are_estimated_where_the_endpoint_cannot_count(proxy: Proxy, shared_sandbox: Sandbox) -> None:
    shared_sandbox.forget()
    for _ in range(2):
        status, counted = ask(proxy, "POST", "/v1/responses/input_tokens", {"model": "gpt-5.1", "input": "word " * 400})
        assert (status, counted["object"], counted["estimated"]) == (200, "response.input_tokens", True)
        assert 400 < counted["input_tokens"] < 800
    assert len(shared_sandbox.requests) == 1


def test_a_compaction_is_a_summary_where_the_endpoint_cannot_compact(tmp_path: Path) -> None:
    summary = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "They said hello."}]}
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    response = {"id": "r", "object": "response", "status": "completed", "output": [summary], "usage": usage}
    answers = {"/backend-api/codex/responses": (200, response)}
    body = {"model": "gpt-5.1", "input": [{"role": "user", "content": "hello"}, summary]}
    with answering(answers) as endpoint, mitmdump(tmp_path, endpoint) as proxy:
        status, compacted = ask(proxy, "POST", "/v1/responses/compact", body)
        assert (status, compacted["object"]) == (200, "response.compaction")
        user, text = compacted["output"]
        assert user["content"] == [{"type": "input_text", "text": "hello"}]
        assert "They said hello." in text["content"][0]["text"]
        assert compacted["usage"]["total_tokens"] == 10
        assert ask(proxy, "POST", "/v1/responses/compact", body)[0] == 200
        assert ask(proxy, "POST", "/v1/responses/input_tokens", body)[0] == 200
        assert ask(proxy, "POST", "/v1/responses", {**body, "previous_response_id": "resp_unknown"})[0] == 400
        proxy.wait_for("refused .*previous_response_not_found")
        assert len([line for line in proxy.lines if " · " in line]) == 3
    # A summary is one call, an estimate or a refused request is none.
    (used,) = UsageStore(paths.usage_database(proxy.home)).by_model()
    assert (used.name, used.requests, used.errors, used.tokens.input) == ("gpt-5.1", 2, 0, 14)
    requested = [request.split()[1].removeprefix(b"/backend-api/codex/responses") for request in endpoint.requests]
    assert requested == [b"/compact", b"", b"", b"/input_tokens"]


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("litellm/1.80", "openai/responses/MODEL"),
        ("OpenAI/Python 2.8", "client.responses.create"),
        ("ai-sdk/openai/3.0", "openai.responses"),
        ("something", "Responses API"),
    ],
)
def test_another_api_of_an_unreachable_host_is_an_error(nowhere: Proxy, agent: str, words: str) -> None:
    url = f"http://{NOWHERE}/v1/chat/completions"
    status, error = direct(nowhere, url, {"model": "gpt-5.1"}, {"user-agent": agent})
    message = error["error"]["message"]
    assert (status, error["error"]["code"]) == (502, "unsupported_path")
    assert "nothing was sent" in message
    assert words in message


def test_another_path_in_reverse_mode_gets_the_endpoints_key(tmp_path: Path) -> None:
    with answering({"/v1/embeddings": (200, {"data": []})}) as endpoint:
        with mitmdump(tmp_path, endpoint, "--mode", f"reverse:{endpoint.url}") as proxy:
            answer = direct(proxy, "/v1/embeddings", {"input": "x"}, {"authorization": f"Bearer {KEY}"})
        assert answer == (200, {"data": []})
        (request,) = endpoint.requests
        assert f"Bearer {endpoint.key}".encode() in request
        assert KEY.encode() not in request


def test_traces_are_not_sent(nowhere: Proxy) -> None:
    """They contain the conversation, and would go to OpenAI."""
    status, error = direct(nowhere, f"http://{NOWHERE}/v1/traces/ingest", {"data": []}, {})
    assert (status, error["error"]["code"]) == (403, "traces_not_sent")
    assert "OPENAI_AGENTS_DISABLE_TRACING=1" in error["error"]["message"]
    nowhere.wait_for("refused a client at 127.0.0.1: 403 traces")


def test_requests_made_for_a_client_use_its_own_key(tmp_path: Path) -> None:
    """If keys are forwarded, no path uses the owner's key for a client."""
    with answering({"/backend-api/codex/responses": (401, {"error": {"message": "no"}})}) as endpoint:
        with mitmdump(tmp_path, endpoint, CODEX_FORWARD_CLIENT_KEY="1") as proxy:
            body = {"model": "gpt-5.1", "input": "x"}
            assert ask(proxy, "POST", "/v1/responses/compact", body)[0] == 401
            assert ask(proxy, "POST", "/v1/responses", {**body, "background": True})[0] == 200
            assert eventually(lambda: len(endpoint.requests) == 3)
        assert all(f"Bearer {KEY}".encode() in request for request in endpoint.requests)
