"""Two people and a real mitmdump: keys, limits, and what each can read, in forward and in reverse mode."""

import json
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import openai
import pytest
from support.running import MITMDUMP, ROOT, mitmdump
from support.scripted import ANSWER, Scripted, scripted
from support.waiting import eventually
from support.websocket import connected, unopened

from codex_transform.people import register
from codex_transform.people.person import Limits, Person, new_person, with_new_key
from codex_transform.redaction import redact
from codex_transform.sandbox import Sandbox

HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello"}


class Team:
    """The people of a proxy whose home is `home`, and their keys."""

    def __init__(self, home: Path) -> None:
        self.file = home / ".opencode" / "codex-clients.json"
        self.keys: dict[str, str] = {}
        self.used: list[str] = []
        self.people: list[Person] = []

    def add(self, name: str, **limits: Any) -> str:
        person, key = new_person(name, Limits.model_validate(limits))
        self.people.append(person)
        return self._keep(name, key)

    def rotate(self, name: str) -> str:
        (index,) = (index for index, person in enumerate(self.people) if person.name == name)
        self.people[index], key = with_new_key(self.people[index])
        return self._keep(name, key)

    def limit(self, name: str, **limits: Any) -> None:
        self.people = [each.model_copy(update=limits) if each.name == name else each for each in self.people]
        register.save(self.file, self.people)

    def _keep(self, name: str, key: str) -> str:
        register.save(self.file, self.people)
        self.keys[name] = key
        self.used.append(key)
        return key


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path / "home")


@pytest.fixture
def start(tmp_path: Path, sandbox: Sandbox, team: Team) -> Iterator[Callable[..., Any]]:
    """A function that starts mitmdump with the team's home. At the end keys must be nowhere that they should not be."""

    def begin(*options: str, **environ: str) -> Any:
        flows = ("-w", str(tmp_path / "flows"))
        return mitmdump(tmp_path / "home", sandbox, *flows, *options, ENABLE_PLUGIN_REQUEST_LOGGING="1", **environ)

    yield begin
    received = json.dumps(sandbox.requests, default=str)
    for key in team.used:
        assert key not in received
        for file in (path for path in tmp_path.rglob("*") if path.is_file()):
            assert key.encode() not in file.read_bytes(), file
    for entry in sandbox.requests:
        assert entry["headers"]["authorization"] == f"Bearer {redact(sandbox.key)}"


def ask(
    port: int,
    key: str | None,
    path: str = "/v1/responses",
    body: Any = None,
    method: str = "POST",
    forward: bool = True,
) -> tuple[int, Any, Any]:
    """Send a request and return the status, answer and headers."""
    target = f"http://api.openai.com{path}" if forward else path
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as client:
        client.request(method, target, json.dumps(HELLO if body is None else body), headers)
        answer = client.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content.startswith(b"{") else content, answer.headers


def test_two_people_in_forward_and_reverse_mode(start: Callable[..., Any], team: Team, sandbox: Sandbox) -> None:
    alice, bob = team.add("alice"), team.add("bob")
    with start(CODEX_ADMIN_LISTEN="0") as proxy:
        for key in (None, "sk-other", f"{alice}x", "ct-"):
            for path, method in (("/responses", "POST"), ("/models", "GET"), ("/conversations", "POST")):
                status, answer, _ = ask(proxy.port, key, f"/v1{path}", method=method)
                assert (status, answer["error"]["code"]) == (401, "invalid_api_key")
                assert "codex-transform clients add" in answer["error"]["message"]
        assert not sandbox.requests
        made = ask(proxy.port, alice)[1]
        assert ask(proxy.port, bob)[0] == 200
        mine = f"/v1/responses/{made['id']}"
        assert ask(proxy.port, alice, mine, method="GET")[0] == 200
        assert ask(proxy.port, bob, mine, method="GET")[0] == 404
        assert ask(proxy.port, bob, body={**HELLO, "previous_response_id": made["id"]})[0] == 400
        assert ask(proxy.port, alice, "/v1/models", method="GET")[0] == 200
        # A person's background response and summary belong to them, although the proxy sends the requests.
        job = ask(proxy.port, alice, body={**HELLO, "background": True})[1]
        assert eventually(
            lambda: ask(proxy.port, alice, f"/v1/responses/{job['id']}", method="GET")[1]["status"] == "completed"
        )
        assert ask(proxy.port, bob, f"/v1/responses/{job['id']}", method="GET")[0] == 404
        # The key is replaced while the proxy runs; stored responses stay.
        new = team.rotate("alice")
        assert eventually(lambda: ask(proxy.port, alice, mine, method="GET")[0] == 401)
        assert ask(proxy.port, new, mine, method="GET")[0] == 200
        admin = int(proxy.wait_for(r"admin listener at http://127\.0\.0\.1:(\d+)")[1])
        figures = ""

        def counted() -> bool:
            nonlocal figures
            with closing(HTTPConnection("127.0.0.1", admin, timeout=20)) as client:
                client.request("GET", "/metrics")
                figures = client.getresponse().read().decode()
            return 'person="alice"' in figures and 'person="bob"' in figures

        assert eventually(counted)
        proxy.wait_for(r"gpt-5.1-codex.* · bob · ")
        proxy.wait_for(r"refused a client at 127\.0\.0\.1: 401")
        listed = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True).stdout
        for key in team.used:
            assert key not in figures + listed + proxy.log
        home = proxy.home
    with closing(sqlite3.connect(home / ".opencode" / "codex-usage.sqlite")) as db:
        used = Counter(row[0] for row in db.execute("SELECT person FROM calls"))
    assert used["alice"] == 2
    assert used["bob"] >= 1
    assert None not in used


def test_another_name_in_tls_does_not_bypass_the_key(start: Callable[..., Any], team: Team, sandbox: Sandbox) -> None:
    """In reverse mode the endpoint is an address, and the client may name anything."""
    team.add("alice")
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    with start("--mode", f"reverse:{sandbox.url}") as proxy:
        for path in (b"/v1/responses", b"/v1/files"):
            request = b"POST %s HTTP/1.1\r\nHost: proxy.local\r\nContent-Length: 2\r\n\r\n{}" % path
            with (
                socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as connection,
                trust.wrap_socket(connection, server_hostname="proxy.local") as client,
            ):
                client.sendall(request)
                assert client.recv(65536).startswith(b"HTTP/1.1 401")
    assert not sandbox.requests


def test_a_websocket_needs_a_key_and_counts_each_message(
    start: Callable[..., Any], team: Team, sandbox: Sandbox
) -> None:
    """It opens only with a key, each message counts, and after the key is revoked no message is answered."""
    alice = team.add("alice", requests_per_minute=2)
    with start() as proxy:
        with unopened(proxy) as stranger, pytest.raises(AssertionError, match="401"):
            stranger.open(key="sk-other")
        with connected(proxy, key=alice) as client:
            made = client.response(input="one", store=True)
            client.response(input="two", previous_response_id=made["id"])
            assert client.answer(input="three")[-1]["status"] == 429
            team.limit("alice", requests_per_minute=None)
            assert eventually(lambda: client.answer(input="four")[-1]["type"] == "response.completed")
            team.rotate("alice")
            assert eventually(lambda: client.answer(input="five")[-1].get("status") == 401)
        assert ask(proxy.port, team.keys["alice"], f"/v1/responses/{made['id']}", method="GET")[0] == 200
    assert sandbox.requests


def test_the_sdk_with_a_base_url_and_a_key(start: Callable[..., Any], team: Team, sandbox: Sandbox) -> None:
    alice = team.add("alice")
    with start("--mode", f"reverse:{sandbox.url}") as proxy:
        sdk = openai.OpenAI(base_url=f"{proxy.url}/v1", api_key=alice, max_retries=0, timeout=30)
        with sdk:
            assert "[sandbox]" in sdk.responses.create(model="gpt-5.1", input="say hello").output_text
            with sdk.with_options(api_key="sk-none") as other, pytest.raises(openai.AuthenticationError):
                other.responses.create(model="gpt-5.1", input="say hello")
        for path in ("/anything", "/v1/chat/completions"):
            assert ask(proxy.port, None, path, forward=False)[0] == 401
        before = len(sandbox.requests)
        assert ask(proxy.port, alice, "/anything", forward=False)[0] not in (401, 403, 429)
        assert len(sandbox.requests) >= before
        team.limit("alice", tokens_per_day=10**9)
        assert eventually(lambda: ask(proxy.port, alice, "/anything", forward=False)[0] == 403)


def test_without_a_file_no_key_is_required_and_with_an_empty_one_nobody_is_served(
    start: Callable[..., Any], team: Team, sandbox: Sandbox
) -> None:
    with start("--mode", f"reverse:{sandbox.url}") as proxy:
        with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key="any", max_retries=0, timeout=30) as sdk:
            assert "[sandbox]" in sdk.responses.create(model="gpt-5.1", input="say hello").output_text
        register.save(team.file, [])
        assert eventually(lambda: ask(proxy.port, None, forward=False)[0] == 401)
        team.file.write_text("{")
        assert eventually(lambda: ask(proxy.port, None, forward=False)[0] == 503)
        proxy.wait_for("codex-clients.json cannot be used")
        team.file.unlink()
        assert eventually(lambda: ask(proxy.port, None, forward=False)[0] == 200)


def test_a_proxy_can_be_set_to_require_no_keys(start: Callable[..., Any], team: Team) -> None:
    team.add("alice")
    with start("--set", "codex_clients=false") as proxy:
        assert ask(proxy.port, None)[0] == 200


def test_calls_over_a_limit_are_refused(start: Callable[..., Any], team: Team, sandbox: Sandbox) -> None:
    alice = team.add("alice", models=("gpt-5-codex",), requests_per_minute=3)
    bob = team.add("bob", tokens_per_month=1500)
    with start() as proxy:
        status, answer, _ = ask(proxy.port, alice, body={**HELLO, "model": "gpt-5.2"})
        assert (status, answer["error"]["code"], answer["error"]["param"]) == (403, "model_not_allowed", "model")
        listed = ask(proxy.port, alice, "/v1/models", method="GET")[1]
        assert {model["id"] for model in listed["data"]} <= {"gpt-5.1-codex", "gpt-5-codex"}
        assert len(ask(proxy.port, bob, "/v1/models", method="GET")[1]["data"]) > 1
        assert ask(proxy.port, alice, "/v1/models/gpt-5-codex", method="GET")[0] == 200
        status, answer, _ = ask(proxy.port, alice, "/v1/models/gpt-5.2", method="GET")
        assert (status, answer["error"]["code"]) == (404, "model_not_found")
        assert ask(proxy.port, bob, "/v1/models/gpt-5.2", method="GET")[0] == 200
        assert [ask(proxy.port, alice)[0] for _ in range(4)] == [200, 200, 200, 429]
        status, answer, headers = ask(proxy.port, alice)
        assert (status, answer["error"]["type"]) == (429, "rate_limit_error")
        assert 30 <= int(headers["retry-after"]) <= 60
        statuses = [ask(proxy.port, bob)[0] for _ in range(50)]
        assert statuses[0] == 200
        assert statuses[-1] == 429
        assert eventually(lambda: "alice" in proxy.log and "bob" in proxy.log)
        sent = len(sandbox.requests)
    # The next proxy knows the earlier usage.
    with start() as proxy:
        status, answer, headers = ask(proxy.port, bob)
        assert (status, answer["error"]["code"]) == (429, "insufficient_quota")
        assert "1,500 tokens a month" in answer["error"]["message"]
        assert int(headers["retry-after"]) >= 1
        assert ask(proxy.port, alice)[0] == 429
        assert len(sandbox.requests) == sent
        team.limit("bob", tokens_per_month=None)
        assert eventually(lambda: ask(proxy.port, bob)[0] == 200)


def test_limits_hold_for_five_hundred_calls_at_once(start: Callable[..., Any], team: Team, sandbox: Sandbox) -> None:
    alice = team.add("alice", requests_per_minute=40)
    sandbox.misbehave("slow", times=40)
    barrier = threading.Barrier(100)

    def five(_: int) -> list[int]:
        barrier.wait()
        return [ask(proxy.port, alice)[0] for _ in range(5)]

    with start() as proxy, ThreadPoolExecutor(100) as pool:
        began = time.monotonic()
        statuses = Counter(status for five_of_them in pool.map(five, range(100)) for status in five_of_them)
        assert time.monotonic() - began < 60
        assert statuses == {200: 40, 429: 460}
        assert len(sandbox.requests) == 40


def test_a_call_whose_client_leaves_is_counted(start: Callable[..., Any], team: Team, sandbox: Sandbox) -> None:
    bob = team.add("bob", tokens_per_day=900)
    sandbox.misbehave("hang", times=1)
    with start() as proxy:
        with closing(HTTPConnection("127.0.0.1", proxy.port, timeout=30)) as client:
            body = json.dumps({**HELLO, "stream": True})
            client.request("POST", "http://api.openai.com/v1/responses", body, {"Authorization": f"Bearer {bob}"})
            assert sandbox.wait(lambda requests: len(requests) == 1)
            status, _, headers = ask(proxy.port, bob)
            assert (status, headers["retry-after"]) == (429, "10")
        assert eventually(lambda: int(ask(proxy.port, bob)[2]["retry-after"]) != 10)
        assert len(sandbox.requests) == 1


def test_an_endpoint_that_reports_no_tokens_does_not_make_a_limit_void(tmp_path: Path, team: Team) -> None:
    bob = team.add("bob", tokens_per_day=2000)

    def play(endpoint: Scripted, client: socket.socket, _: int) -> None:
        while endpoint.read(client):
            client.sendall(ANSWER)

    with scripted(play) as endpoint, mitmdump(tmp_path / "home", endpoint) as proxy:
        statuses = [ask(proxy.port, bob)[0] for _ in range(4)]
        assert statuses == [200, 200, 429, 429]
        assert len(endpoint.requests) == 2


def test_keys_are_not_forwarded(start: Callable[..., Any], team: Team, sandbox: Sandbox) -> None:
    alice = team.add("alice")
    with start(CODEX_FORWARD_CLIENT_KEY="1") as proxy:
        proxy.wait_for("CODEX_FORWARD_CLIENT_KEY: not used, because the endpoint would get the keys")
        assert ask(proxy.port, alice)[0] == 200
    assert len(sandbox.requests) == 1


def test_the_option_that_forwards_keys_is_refused(team: Team) -> None:
    team.add("alice")
    options = ["--listen-host", "127.0.0.1", "--listen-port", "0", "--set", "codex_forward_client_key=true"]
    done = subprocess.run(
        [MITMDUMP, "-s", ROOT / "addon.py", *options],
        env={"HOME": str(team.file.parents[1]), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "codex_forward_client_key: not used" in done.stdout + done.stderr
