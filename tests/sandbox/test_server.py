"""The sandbox as an HTTP server: connections, cancellation, TLS, its own pages, and the requests it records."""

import asyncio
import http.client
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic_core import to_json
from sandbox.client import Client
from support.certificates import certificate

from codex_transform.sandbox import FAULTS, Sandbox, running
from codex_transform.sandbox.connection import LONGEST_HEAD
from codex_transform.sandbox.journal import KEPT_REQUESTS, Journal, RecordedRequest


def test_a_connection_serves_many_requests(client: Client, sandbox: Sandbox) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=30)
    headers = {name: value for name, value in client.headers().items() if name != "connection"}
    for number in range(3):
        connection.request("POST", "/v1/responses", to_json(client.body(f"hello {number}")), headers)
        answer = connection.getresponse()
        assert answer.status == 200
        assert f"hello {number}".encode() in answer.read()
    connection.request("POST", "/v1/responses", b"{}", headers)
    assert connection.getresponse().status == 400
    connection.close()
    client.ask("hello")
    assert [request["connection"] for request in sandbox.requests] == [1, 1, 1, 1, 2]


def test_a_chunked_body_is_understood(client: Client, sandbox: Sandbox) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=30)
    content = to_json(client.body("hello"))
    parts = (content[index : index + 10] for index in range(0, len(content), 10))
    headers = {**client.headers(), "transfer-encoding": "chunked"}
    connection.request("POST", "/v1/responses", parts, headers, encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    assert sandbox.requests[0]["content"] == content


def test_a_request_that_expects_continue_gets_100(client: Client) -> None:
    content = to_json(client.body("hello"))
    head = {**client.headers(), "expect": "100-continue", "content-length": str(len(content))}
    with client.connected() as connection:
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        connection.sendall(f"POST /v1/responses HTTP/1.1\r\n{lines}\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(content)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_pipelined_requests_are_answered_in_order(client: Client) -> None:
    content = to_json(client.body("hello"))
    head = {**client.headers(), "content-length": str(len(content))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items() if name != "connection")
    request = f"POST /v1/responses HTTP/1.1\r\n{lines}\r\n".encode() + content
    with client.connected() as connection:
        connection.sendall(request + request)
        received = b""
        while received.count(b"\r\n0\r\n\r\n") < 2:
            received += connection.recv(65536)
    assert received.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"POST /v1/responses HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
        b"POST /v1/responses HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * (LONGEST_HEAD + 1000),
    ],
)
def test_invalid_http_is_refused_and_the_next_client_served(client: Client, request_bytes: bytes) -> None:
    with client.connected() as connection:
        connection.sendall(request_bytes)
        received = b""
        try:
            while data := connection.recv(65536):
                received += data
        except ConnectionResetError:
            pass
    assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert client.ask("hello").complete


def test_an_incomplete_request_is_not_recorded(client: Client, sandbox: Sandbox) -> None:
    with client.connected() as connection:
        connection.sendall(b"POST /v1/responses HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12")
    with client.connected():
        pass
    assert client.ask("hello").complete
    assert len(sandbox.requests) == 1


def test_a_client_that_leaves_is_noticed_at_once() -> None:
    with running(Sandbox(delay=30)) as sandbox:
        client = Client(sandbox)
        with client.posted(client.body("hello")) as connection:
            received = b""
            while b".delta" not in received:
                received += connection.recv(1000)
            assert not sandbox.requests[0]["finished"]
        assert sandbox.wait(lambda requests: requests[0]["cancelled"])
        assert 0 < sandbox.requests[0]["sent"] < 10_000


def test_a_finished_request_is_not_cancelled(client: Client, sandbox: Sandbox) -> None:
    client.ask("hello")
    assert sandbox.wait(lambda requests: requests[0]["finished"])
    assert not sandbox.requests[0]["cancelled"]


def test_many_clients_are_served_at_once() -> None:
    with running(Sandbox(delay=0.01)) as sandbox:
        client = Client(sandbox)
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda number: client.ask(f"hello {number}"), range(100)))
    assert all(f"“hello {number}”" in answer.text for number, answer in enumerate(answers))


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://127.0.0.1/v1/responses?x", 200),
        ("http://x", 404),
        ("//[", 404),
        ("*", 404),
        ("http://[/responses", 200),
    ],
)
def test_any_request_target_gets_a_response(client: Client, target: str, status: int) -> None:
    assert client.post(client.body(), target).status == status


def test_no_request_stays_open_after_a_hundred_clients_left(client: Client, sandbox: Sandbox) -> None:
    for _ in range(100):
        with client.posted(client.body("count to 1000")) as connection:
            connection.recv(10)
    assert sandbox.wait(lambda requests: all(request["finished"] for request in requests))


async def test_the_sandbox_is_an_async_context_manager_too() -> None:
    async with Sandbox() as sandbox:
        answer = await asyncio.to_thread(Client(sandbox).ask, "hello")
        assert answer.status == 200
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", sandbox.port)


async def test_stopping_disconnects_clients() -> None:
    sandbox = Sandbox(misbehave="hang")
    await sandbox.start()
    client = Client(sandbox)
    waiting = asyncio.create_task(asyncio.to_thread(client.ask, "hello"))
    assert await asyncio.to_thread(sandbox.wait, lambda requests: bool(requests))
    await asyncio.wait_for(sandbox.stop(), 30)
    assert not (await asyncio.wait_for(waiting, 30)).complete
    await sandbox.stop()


def test_the_thread_of_a_sandbox_ends_with_it() -> None:
    before = threading.active_count()
    with running():
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_a_port_in_use_is_an_error(sandbox: Sandbox) -> None:
    with pytest.raises(OSError, match="address"), running(Sandbox(port=sandbox.port)):
        pass


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com", ""])
def test_only_loopback_hosts_are_allowed(host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        Sandbox(host=host)


@pytest.mark.parametrize(("host", "origin"), [("127.0.0.1", "http://127.0.0.1:"), ("localhost", "http://127.0.0.1:")])
def test_the_url_of_a_sandbox(host: str, origin: str) -> None:
    with running(Sandbox(host=host)) as sandbox:
        assert sandbox.url == f"{origin}{sandbox.port}"
        assert sandbox.port > 0
    assert Sandbox(host="::1", port=1).url == "http://[::1]:1"


def test_the_key_is_random_and_recognizable() -> None:
    keys = {Sandbox().key for _ in range(3)}
    assert len(keys) == 3
    assert all(key.startswith("sk-sandbox-") for key in keys)
    assert Sandbox(key="mine").key == "mine"


def test_tls_connections_and_faults_on_them(tmp_path: Path) -> None:
    # The first file has the certificate and the key, the second only the certificate.
    key_file, cert_file = certificate(tmp_path)
    with running(Sandbox(certfile=str(cert_file), keyfile=str(key_file))) as sandbox:
        assert sandbox.url == f"https://127.0.0.1:{sandbox.port}"
        client = Client(sandbox)
        # Before 3.12, Python reports a reset below TLS as the end of the stream.
        broken = (http.client.IncompleteRead, ConnectionResetError)
        for misbehave, error in [("", None), ("cut", http.client.IncompleteRead), ("reset", broken)]:
            trusted = ssl.create_default_context(cafile=str(cert_file))
            connection = http.client.HTTPSConnection("127.0.0.1", sandbox.port, timeout=30, context=trusted)
            headers = client.headers(x_sandbox_misbehave=misbehave)
            connection.request("POST", "/v1/responses", to_json(client.body("hello")), headers)
            if error is None:
                assert b"response.completed" in connection.getresponse().read()
            else:
                with pytest.raises(error):
                    connection.getresponse().read()
            connection.close()


def test_requests_are_recorded(client: Client, sandbox: Sandbox) -> None:
    client.post(client.body("hello"), "/x/responses?a=1", session_id="s1", cookie="secret=12345678901234567890")
    assert client.post(b"no json", "/v1/responses").status == 400
    assert sandbox.wait(lambda requests: all(request["finished"] for request in requests))
    first, second = client.get("/sandbox/requests").json
    assert (first["method"], first["path"], first["status"]) == ("POST", "/x/responses?a=1", 200)
    assert first["body"] == client.body("hello")
    assert first["headers"]["session-id"] == "s1"
    assert first["headers"]["authorization"] == f"Bearer sk-…{sandbox.key[-4:]}"
    assert "12345678901234567" not in first["headers"]["cookie"]
    assert first["sent"] > 1000
    assert first["writes"] > 10
    assert (first["finished"], first["cancelled"], first["misbehaviour"]) == (True, False, None)
    assert (second["body"], second["status"], second["number"]) == (None, 400, 2)
    assert sandbox.requests[1]["content"] == b"no json"
    assert client.get("/sandbox/requests", "DELETE").json == []
    assert sandbox.requests == []
    client.ask("hello")
    sandbox.forget()
    assert sandbox.requests == []


def test_no_key_is_recorded(client: Client, sandbox: Sandbox) -> None:
    client.post(client.body(), authorization="Bearer sk-somebody-elses-key-1234", x_api_key=sandbox.key)
    recorded = repr(sandbox.requests) + client.get("/sandbox/requests").body.decode()
    assert "somebody" not in recorded
    assert sandbox.key not in recorded


def test_faults_are_set_over_http(client: Client) -> None:
    plan = client.get("/sandbox/misbehave").json
    assert plan["name"] is None
    assert plan["known"].keys() == FAULTS.keys()
    new_plan = b'{"name": "cut", "times": 2, "at": 3, "with_tools": false}'
    assert client.get("/sandbox/misbehave", "POST", new_plan).json["name"] == "cut"
    assert len(client.ask("hello").types) == 3
    assert client.get("/sandbox/misbehave").json["times"] == 1
    assert client.get("/sandbox/misbehave", "DELETE").json["name"] is None
    assert client.ask("hello").complete
    client.get("/sandbox/misbehave", "POST", b'{"name": "plain-500"}')
    assert client.ask("hello").status == 500
    client.get("/sandbox/misbehave", "POST", b"")
    assert client.ask("hello").status == 200


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b'{"name": "nonsense"}', "there is no fault 'nonsense'"),
        (b'{"name": "cut", "times": 0}', "times: "),
        (b'{"name": "cut", "at": -1}', "at: "),
        (b'{"name": 1}', "name: "),
        (b'{"nome": "cut"}', "nome: "),
        (b"{", "body: "),
    ],
)
def test_an_invalid_plan_is_refused_and_the_member_named(client: Client, content: bytes, detail: str) -> None:
    answer = client.get("/sandbox/misbehave", "POST", content)
    assert answer.status == 400
    assert answer.json["detail"].startswith(detail)
    assert client.ask("hello").complete


def test_the_sandboxs_own_pages_are_for_this_machine_only(client: Client, sandbox: Sandbox) -> None:
    about = client.get("/sandbox")
    assert "No model answers here" in about.json["about"]
    assert about.headers["x-codex-sandbox"] == "1"
    assert client.get("/sandbox/nothing").status == 404
    assert client.get("/sandbox/requests", "PUT").status == 404
    for host in ("example.com", f"example.com:{sandbox.port}", ""):
        assert client.get("/sandbox/requests", host=host).status == 403
    assert client.get("/sandbox/requests", host="localhost").status == 200
    assert sandbox.requests == []


def test_the_log_has_a_line_per_request_without_its_content() -> None:
    lines: list[str] = []
    with running(Sandbox(log=lines.append, misbehave="cut")) as sandbox:
        Client(sandbox).ask("my secret")
        assert sandbox.wait(lambda requests: requests[0]["finished"])
        sandbox.behave()
        Client(sandbox).post(b"[]")
    assert [line.split(" sent=")[0] for line in lines] == [
        "POST /backend-api/codex/responses 200 gpt-5.2-codex tools=0 input=1",
        "POST /backend-api/codex/responses 400",
    ]
    assert lines[0].endswith("misbehaved: cut")
    assert "secret" not in "".join(lines)


def test_the_number_and_size_of_recorded_requests_is_bounded() -> None:
    journal = Journal()
    for _ in range(KEPT_REQUESTS + 50):
        journal.add(RecordedRequest("POST", "/", {}, b"", 1))
    assert [journal.all()[0]["number"], len(journal.all())] == [51, KEPT_REQUESTS]
    for _ in range(10):
        journal.add(RecordedRequest("POST", "/", {}, b"x" * 10_000_000, 1))
    assert len(journal.all()) == 6
    journal.add(RecordedRequest("POST", "/", {}, b"x" * 100_000_000, 1))
    assert len(journal.all()) == 1


def test_waiting_for_a_request_times_out(sandbox: Sandbox) -> None:
    assert not sandbox.wait(lambda requests: bool(requests), 0.05)


def test_large_requests_and_responses(client: Client) -> None:
    answer = client.ask("count to 3000", instructions="i" * 3_000_000)
    assert answer.text.endswith(" 2999 3000")
    assert answer.complete
