"""A refused request is sent again without what was refused: the real mitmdump, and what the endpoint received."""

import json
import re
import signal
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from support.conversation import ask, picture, said, statuses, text
from support.running import Proxy, mitmdump
from support.scripted import ANSWER, Scripted, scripted
from support.waiting import eventually

from codex_transform.sandbox import Sandbox

SVG = f"data:image/svg+xml;base64,{b64encode(b'<svg/>').decode()}"
PNG = f"data:image/png;base64,{b64encode(bytes([0x89]) + b'PNG' + bytes(60_000)).decode()}"
MINE = {"type": "reasoning", "summary": [], "encrypted_content": b64encode(b"sandbox:before").decode()}
SEARCH = {"type": "web_search_call", "action": {"type": "other"}}


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Iterator[Sandbox]:
    """The module's endpoint, without the requests of the test before."""
    shared_sandbox.forget()
    yield shared_sandbox
    shared_sandbox.behave()


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no-parallel-tool-calls": (text("x"), "without parallel_tool_calls"),
    "no-include": (text("x"), "without include"),
    "no-tool-choice": (text("x"), "without tool_choice"),
    "no-item-summary": (MINE, "without reasoning items"),
    "no-encrypted-member": (MINE, "without encrypted_content of reasoning items"),
    "no-web-search-items": (SEARCH, "without web_search_call items"),
    "other-account": (MINE, "without the encrypted reasoning so far"),
    "invalid-image": (said(picture(SVG)), "without 1 attachment"),
    "invalid-image-somewhere": (said(picture(SVG)), "without 1 attachment"),
    "too-large@40": (said(picture(PNG)), "without 1 attachment"),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_conversation_goes_on_after_a_refusal(quiet_proxy: Proxy, sandbox: Sandbox, fault: str, stream: bool) -> None:
    item, done = FAULTS[fault]
    conversation = f"{fault}-{stream}"
    history: list[dict[str, Any]] = [said(text("say hello"))]
    if item != text("x"):
        history.append(item)
    since = len(quiet_proxy.lines)

    def turn(words: str) -> None:
        history.append(said(text(words)))
        answer = ask(quiet_proxy, conversation, *history, stream=stream)
        assert words in answer
        history.append({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": answer}]})

    turn("hello one")
    # From another test of this module the proxy may know what this endpoint does not accept.
    learnt = fault.startswith("no-") and item == text("x") and not stream
    sandbox.misbehave(fault)
    turn("hello two")
    turn("hello three")
    refusals = [status for status in statuses(sandbox) if status != 200]
    assert len(refusals) == (0 if learnt else 1)
    second, third = [entry["body"] for entry in sandbox.requests if entry["status"] == 200][-2:]
    assert third["input"][: len(second["input"])] == second["input"]
    assert {name: second[name] for name in second if name != "input"} == {
        name: third[name] for name in third if name != "input"
    }
    for words in ("say hello", "hello one", "hello two", "hello three"):
        assert words in json.dumps(third["input"])
    if not learnt:
        quiet_proxy.wait_for(re.escape(f"; sent again {done} ("), since=since)


def test_reasoning_of_the_other_account_is_kept(quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    sandbox.misbehave("other-account")
    ask(quiet_proxy, "kept", said(text("hello")), MINE, said(text("hello two")))
    later = {**MINE, "encrypted_content": b64encode(b"account2:later").decode()}
    ask(quiet_proxy, "kept", said(text("hello")), MINE, said(text("hello two")), later, said(text("hello three")))
    assert statuses(sandbox) == [400, 200, 200]
    kept = [item["encrypted_content"] for item in sandbox.requests[-1]["body"]["input"] if item["type"] == "reasoning"]
    assert kept == [later["encrypted_content"]]


def test_attempts_do_not_use_up_a_clients_connections(quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    """mitmproxy opens five connections to a server for a client, and makes a sixth wait for ever."""
    sandbox.misbehave("no-web-search-items")
    client = HTTPConnection("127.0.0.1", quiet_proxy.port, timeout=20)
    with closing(client):
        for turn in range(8):
            body = {"model": "gpt-5.1", "prompt_cache_key": f"turn {turn}", "input": [SEARCH, said(text("hello"))]}
            client.request("POST", "http://api.openai.com/v1/responses", json.dumps(body))
            answer = client.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()
    assert statuses(sandbox) == [400, 200] * 8


def test_two_refused_things_are_both_put_right(quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    sandbox.misbehave("other-account+invalid-image")
    ask(quiet_proxy, "two", said(text("hello"), picture(SVG)), MINE, said(text("hello two")))
    assert statuses(sandbox) == [400, 400, 200]


def test_a_key_that_a_refusal_quotes_is_not_in_the_log(tmp_path: Path) -> None:
    """Neither a key that looks like OpenAI's nor the endpoint's own, which looks different."""
    key = "correct-horse-battery-staple"

    def play(endpoint: Scripted, client: socket.socket, _number: int) -> None:
        words = b"Service unavailable for sk-abcdefghijklmnop1234 and correct-horse-battery-staple"
        while endpoint.read(client):
            client.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: %d\r\n\r\n%b" % (len(words), words))

    with scripted(play) as endpoint, mitmdump(tmp_path / "home", endpoint, CODEX_API_KEY=key) as proxy:
        assert proxy.send({"model": "gpt-5.1", "input": "hello"})[0] == 503
        said_so = proxy.wait_for("Service unavailable for .*; sent again")[0]
    assert "sk-…1234" in said_so
    assert "abcdefghijklmnop" not in proxy.log
    assert key not in proxy.log


ODD_ITEMS: tuple[list[Any], ...] = (
    ["hello", 5, None],
    [["a", "b"]],
    [{"role": "user"}],
    [{"type": None, "foo": 1}],
    [{"type": 5, "foo": 1}],
    [text("x" * 20_000), {"type": "foo", "foo": json.loads("[" * 600 + "]" * 600)}],
)
REFUSED = (
    {"message": "Unknown parameter: 'input[0].foo'.", "param": "input[0].foo", "code": "unknown_parameter"},
    {"message": "not a valid image", "code": "invalid_image_format"},
    {"message": "The encrypted content could not be verified.", "code": "invalid_encrypted_content"},
    {"message": "Request body too large"},
    {"message": "The input is refused."},
)


def test_whatever_a_codex_request_holds_a_refusal_reaches_the_client(tmp_path: Path) -> None:
    """It is not looked at on its way to the endpoint, so the rules for refusals meet what is no item."""

    def play(endpoint: Scripted, client: socket.socket, _number: int) -> None:
        while endpoint.read(client):
            content = json.dumps({"error": {"type": "invalid_request_error", **refused}}).encode()
            client.sendall(b"HTTP/1.1 400 No\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))

    with scripted(play) as endpoint, mitmdump(tmp_path / "home", endpoint) as proxy:
        for items in (*ODD_ITEMS, "hello"):
            for refused in REFUSED:
                body = {"model": "gpt-5.1", "input": items, "stream": True, "store": False, "instructions": "x"}
                status, _, answer = proxy.send(body, user_agent="codex_cli_rs/0.111.0", originator="codex_cli_rs")
                assert (status, "error" in json.loads(answer)) == (400, True), (items, refused)
                assert json.loads(endpoint.requests[-1].partition(b"\r\n\r\n")[2])["input"] == items


def test_without_heal_the_refusal_goes_to_the_client(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.misbehave("no-include")
    with mitmdump(tmp_path / "home", sandbox, CODEX_HEAL="0") as proxy:
        status, _, body = proxy.send({"model": "gpt-5.1", "input": "hello"})
    assert (status, json.loads(body)["error"]["code"]) == (400, "unknown_parameter")
    assert statuses(sandbox) == [400]


def test_what_stays_too_large_tells_the_client_to_compact(quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    sandbox.misbehave("too-large@1")
    status, _, body = quiet_proxy.send({"model": "gpt-5.1", "input": "hello " * 1000})
    error = json.loads(body)["error"]
    assert (status, error["code"]) == (400, "context_length_exceeded")
    assert "Request Entity Too Large" in error["message"]
    assert re.search(r"\d kB", error["message"])


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", ["overloaded", "bad-gateway", "cut-before-head", "reset-before-head"])
def test_a_request_that_fails_at_once_is_sent_again(
    quiet_proxy: Proxy, sandbox: Sandbox, fault: str, stream: bool
) -> None:
    sandbox.misbehave(fault, times=1)
    ask(quiet_proxy, "again", said(text("hello")), stream=stream)
    assert [entry["misbehaviour"] for entry in sandbox.requests] == [fault, None]
    sandbox.forget()
    sandbox.misbehave(fault, times=2)
    status, _, _ = quiet_proxy.send({"model": "gpt-5.1", "input": "hello", "stream": stream})
    assert status in (502, 503)
    assert [entry["misbehaviour"] for entry in sandbox.requests] == [fault, fault]


def test_after_an_error_that_is_too_long_there_is_another_attempt(tmp_path: Path) -> None:
    """No more of it is read than is useful, and the client does not wait for the rest."""
    page = b"busy " * 400_000

    def play(endpoint: Scripted, client: socket.socket, _number: int) -> None:
        while endpoint.read(client):
            if len(endpoint.requests) > 1:
                client.sendall(ANSWER)
            else:
                with suppress(OSError):
                    client.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: %d\r\n\r\n" % len(page) + page)

    with scripted(play) as endpoint, mitmdump(tmp_path / "home", endpoint) as proxy:
        status, _, answer = proxy.send({"model": "gpt-5.1", "input": "hello"})
    assert (status, json.loads(answer)["status"]) == (200, "completed")
    assert len(endpoint.requests) == 2


def test_an_attempt_after_an_error_that_never_ended_times_out(tmp_path: Path) -> None:
    """The connection of the error stayed open, and then the endpoint says nothing more."""
    error = b'{"error": {"message": "busy", "code": "server_is_overloaded"}}'

    def play(endpoint: Scripted, client: socket.socket, _number: int) -> None:
        while endpoint.read(client):
            if len(endpoint.requests) == 1:
                client.sendall(b"HTTP/1.1 503 Busy\r\nContent-Type: application/json\r\n\r\n" + error)
        endpoint.wait_for_disconnect(client)

    with scripted(play) as endpoint, mitmdump(tmp_path / "home", endpoint, CODEX_IDLE_TIMEOUT="2") as proxy:
        status, _, answer = proxy.send({"model": "gpt-5.1", "input": "hello"})
    assert (status, json.loads(answer)["error"]["code"]) == (504, "endpoint_timeout")
    assert len(endpoint.requests) == 2


def test_after_a_client_has_left_there_is_no_other_attempt(quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    sandbox.misbehave("overloaded")
    since = len(quiet_proxy.lines)
    body = json.dumps({"model": "gpt-5.1", "input": "hello"})
    with closing(HTTPConnection("127.0.0.1", quiet_proxy.port, timeout=20)) as client:
        client.request("POST", "http://api.openai.com/v1/responses", body)
        quiet_proxy.wait_for("sent again", since=since)
    quiet_proxy.wait_for("client left", since=since)
    assert not eventually(lambda: len(sandbox.requests) > 1, 1)
    sandbox.behave()
    assert "hello" in ask(quiet_proxy, "after", said(text("hello")))


def test_a_proxy_that_shuts_down_makes_no_other_attempt(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.misbehave("overloaded")
    body = json.dumps({"model": "gpt-5.1", "input": "hello"})
    with (
        mitmdump(tmp_path / "home", sandbox, CODEX_RETRIES="3") as proxy,
        closing(HTTPConnection("127.0.0.1", proxy.port, timeout=20)) as client,
    ):
        client.request("POST", "http://api.openai.com/v1/responses", body)
        proxy.wait_for("sent again")
        proxy.process.send_signal(signal.SIGINT)
        answer = client.getresponse()
        assert (answer.status, json.loads(answer.read())["error"]["code"]) in (
            (503, "proxy_stopped"),
            (503, "server_is_overloaded"),
        )
    assert len(sandbox.requests) <= 2


def test_without_retries_a_failed_request_is_not_sent_again(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.misbehave("overloaded")
    with mitmdump(tmp_path / "home", sandbox, CODEX_RETRIES="0") as proxy:
        assert proxy.send({"model": "gpt-5.1", "input": "hello"})[0] == 503
    assert statuses(sandbox) == [503]


def test_a_request_that_was_worked_on_is_not_sent_twice(quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    sandbox.misbehave("close-later@2100")
    assert quiet_proxy.send({"model": "gpt-5.1", "input": "hello"})[0] == 502
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("error-event@0+open-end", 500, "server_error"),
        ("unauthorized+open-end", 401, "invalid_api_key"),
        ("rate-limit+open-end", 429, "rate_limit_exceeded"),
    ],
)
def test_an_error_ends_even_if_the_connection_stays_open(
    quiet_proxy: Proxy, sandbox: Sandbox, fault: str, status: int, code: str, stream: bool
) -> None:
    sandbox.misbehave(fault)
    got, _, body = quiet_proxy.send({"model": "gpt-5.1", "input": "hello", "stream": stream})
    assert (got, json.loads(body)["error"]["code"]) == (status, code)
    assert len(sandbox.requests) == 1


def test_a_failed_response_ends_even_if_the_connection_stays_open(quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    sandbox.misbehave("failed@7+open-end")
    status, _, body = quiet_proxy.send({"model": "gpt-5.1", "input": "hello"})
    assert (status, json.loads(body)["error"]["message"]) == (500, "The sandbox broke.")
    status, _, body = quiet_proxy.send({"model": "gpt-5.1", "input": "hello", "stream": True})
    assert status == 200
    assert b"response.failed" in body


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", ["open-end", "no-final-event"])
def test_an_answer_without_its_final_event_is_complete(
    quiet_proxy: Proxy, sandbox: Sandbox, fault: str, stream: bool
) -> None:
    sandbox.misbehave(fault)
    assert "hello" in ask(quiet_proxy, "whole", said(text("hello")), stream=stream)
    assert len(sandbox.requests) == 1
