"""Two workers that act as one: real mitmdumps that share SQLite on one machine, or Redis as on two."""

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from support.raw_host import NEW_PATH, Answer, catalogue, raw_host
from support.redis_server import PASSWORD, RedisServer, redis_server
from support.running import Proxy, mitmdump
from support.waiting import eventually

from codex_transform import sandbox as sandboxes
from codex_transform.people.person import Limits, Person, new_person
from codex_transform.sandbox import Sandbox

AGENT = "opencode/1.18.33"


class Workers:
    """What starts a worker, with a home of its own where they share Redis; `kinds` are those of what they share."""

    def __init__(self, folder: Path, redis: RedisServer | None, stack: ExitStack) -> None:
        self.folder, self.redis, self._stack = folder, redis, stack
        self._count = 0

    def start(self, endpoint: Sandbox, *files: tuple[str, object], **environ: str) -> Proxy:
        """One more of them; `files` are those of its settings folder."""
        self._count += 1
        home = self.folder / (f"home-{self._count}" if self.redis else "home")
        settings = home / ".opencode"
        settings.mkdir(parents=True, exist_ok=True)
        for name, document in files:
            (settings / name).write_text(json.dumps(document))
            (settings / name).chmod(0o600)
        state = self.redis.url if self.redis else "disk"
        return self._stack.enter_context(mitmdump(home, endpoint, **{"CODEX_STATE": state, **environ}))

    def kinds(self) -> Counter[str]:
        """How many values there are of each kind."""
        if self.redis:
            keys = [line.split()[0].removeprefix("codex-transform:") for line in self.redis.texts().splitlines()]
        else:
            with closing(sqlite3.connect(self.folder / "home" / ".opencode" / "codex-state.sqlite")) as db:
                keys = [row[0] for row in db.execute("SELECT key FROM entries")]
        return Counter(key.partition("/")[0] for key in keys)

    def all_texts(self) -> str:
        """All that is shared."""
        if self.redis:
            return self.redis.texts()
        with closing(sqlite3.connect(self.folder / "home" / ".opencode" / "codex-state.sqlite")) as db:
            return str(db.execute("SELECT * FROM entries").fetchall())


@pytest.fixture(params=["disk", "redis"])
def workers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workers]:
    with ExitStack() as stack:
        server = stack.enter_context(redis_server(tmp_path / "redis")) if request.param == "redis" else None
        yield Workers(tmp_path, server, stack)


def ask(
    proxy: Proxy, text: str = "hello", *, key: str = "sk-one", agent: str = "SDK/1", **fields: Any
) -> tuple[int, dict[str, Any]]:
    body = {"model": "gpt-5.1", "input": text, **fields}
    status, _, answer = proxy.send(body, authorization=f"Bearer {key}", user_agent=agent)
    return status, json.loads(answer)


def get(proxy: Proxy, path: str, method: str = "GET", key: str = "sk-one") -> tuple[int, dict[str, Any]]:
    status, _, answer = proxy.send(b"", f"/v1{path}", method, authorization=f"Bearer {key}")
    return status, json.loads(answer)


def said(entry: dict[str, Any]) -> list[str]:
    """The texts of the input that the endpoint received."""
    return [part["text"] for item in entry["body"]["input"] for part in item.get("content", ())]


def test_one_goes_on_with_what_the_other_has_stored(workers: Workers, sandbox: Sandbox) -> None:
    one, other = workers.start(sandbox), workers.start(sandbox)
    previous = None
    for turn, worker in enumerate((one, other, one, other, other, one)):
        status, made = ask(worker, f"turn {turn}", previous_response_id=previous)
        assert status == 200, made
        previous = made["id"]
    assert [text for text in said(sandbox.requests[-1]) if text.startswith("turn")] == [f"turn {n}" for n in range(6)]
    assert get(other, f"/responses/{previous}")[0] == 200
    for worker in (one, other):
        status, error = ask(worker, previous_response_id=previous, key="sk-two")
        assert (status, error["error"]["code"]) == (400, "previous_response_not_found")
        assert get(worker, f"/responses/{previous}", key="sk-two")[0] == 404
    assert get(other, f"/responses/{previous}", "DELETE")[0] == 200
    assert get(one, f"/responses/{previous}")[0] == 404
    conversation = get(one, "/conversations", "POST")[1]["id"]
    assert ask(other, "in it", conversation=conversation)[0] == 200
    assert eventually(lambda: len(get(one, f"/conversations/{conversation}/items")[1]["data"]) >= 2)
    shared = workers.all_texts()
    assert "sk-one" not in shared
    assert sandbox.key not in shared
    for worker in (one, other):
        assert PASSWORD not in worker.log
        assert "cannot be used" not in worker.log


def test_a_response_that_runs_in_the_other_one(workers: Workers, sandbox: Sandbox) -> None:
    one, other = workers.start(sandbox), workers.start(sandbox)
    sandbox.misbehave("hang", times=1)
    made = ask(one, "long", background=True)[1]
    path = f"/responses/{made['id']}"
    assert sandbox.wait(lambda requests: len(requests) == 1)
    assert eventually(lambda: get(other, path)[1]["status"] == "in_progress")
    status, error = get(other, f"{path}?stream=true")
    assert (status, error["error"]["code"]) == (409, "response_in_progress")
    assert get(other, f"{path}/cancel", "POST", key="sk-two")[0] == 404
    status, cancelled = get(other, f"{path}/cancel", "POST")
    assert (status, cancelled["status"]) == (200, "cancelled")
    assert get(one, path)[1]["status"] == "cancelled"
    quick = ask(one, "quick", background=True)[1]
    assert eventually(lambda: get(other, f"/responses/{quick['id']}")[1]["status"] == "completed")


def test_a_conversation_keeps_its_instructions(workers: Workers, sandbox: Sandbox) -> None:
    sent: dict[str, Any] = {"store": False, "agent": AGENT, "model": "gpt-5.2"}
    with raw_host() as host:
        started = []
        for text in ("Older", "Newer"):
            host.answers[f"main/{NEW_PATH}"] = Answer(catalogue("gpt-5.2", text=text))
            proxy = workers.start(sandbox, CODEX_CATALOG_URL=host.root)
            started.append(proxy)
            fetched = (proxy.home / ".opencode/cache").glob
            assert eventually(lambda fetched=fetched: any(fetched("codex-transform-main-*.json")), 20)  # type: ignore[misc]
            if text == "Older":
                assert ask(proxy, prompt_cache_key="c", **sent)[0] == 200
                assert eventually(lambda: workers.kinds()["pin"] == workers.kinds()["text"] == 1)
        one, other = started
        for worker in (other, one, other):
            assert ask(worker, prompt_cache_key="c", **sent)[0] == 200
        assert ask(other, prompt_cache_key="new", **sent)[0] == 200
    texts = [entry["body"]["instructions"] for entry in sandbox.requests]
    # On one machine the cache of instructions is one as well, and still fresh.
    assert texts == ["Older of gpt-5.2"] * 4 + ["Newer of gpt-5.2" if workers.redis else "Older of gpt-5.2"]


def test_a_conversation_keeps_its_endpoint(workers: Workers) -> None:
    with sandboxes.running() as first, sandboxes.running() as second:
        entries = [
            {"name": name, "baseURL": each.url, "apiKey": each.key, "priority": place}
            for place, (name, each) in enumerate((("first", first), ("second", second)))
        ]
        settings = ("openai-codex-auth-config.json", {"endpoints": entries})
        one, other = (workers.start(first, settings, CODEX_BASE_URL="", CODEX_API_KEY="") for _ in range(2))
        sent: dict[str, Any] = {"prompt_cache_key": "conversation of alice", "store": False, "agent": AGENT}
        assert ask(one, "begin", **sent)[0] == 200
        assert eventually(lambda: workers.kinds()["pin"] == workers.kinds()["home"] == 1)
        # What one learns of an endpoint holds for the other.
        first.misbehave("usage-limit-429", times=1)
        assert ask(one, "go on", **sent)[0] == 200
        assert eventually(lambda: workers.kinds()["endpoint"] == 1)
        assert ask(other, "and on", **sent)[0] == 200
        assert ask(other, "new", prompt_cache_key="c2", store=False, agent=AGENT)[0] == 200
        assert [len(each.requests) for each in (first, second)] == [2, 3]
        shared = workers.all_texts()
        for secret in ("conversation of alice", first.key, second.key, "begin"):
            assert secret not in shared


def test_what_one_was_refused_the_other_does_not_send(workers: Workers, sandbox: Sandbox) -> None:
    one, other = workers.start(sandbox), workers.start(sandbox)
    sandbox.misbehave("no-tool-choice")
    sent: dict[str, Any] = {"tool_choice": "auto", "store": False, "agent": AGENT}
    assert ask(one, **sent)[0] == 200
    assert eventually(lambda: workers.kinds()["refused"] == 1)
    assert ask(other, **sent)[0] == 200
    assert [entry["status"] for entry in sandbox.requests] == [422, 200, 200]


def people(*who: Person) -> tuple[str, object]:
    """The file of those who have a key."""
    rows = [person.model_dump(mode="json", by_alias=True, exclude_defaults=True) for person in who]
    return "codex-clients.json", {"clients": rows}


@pytest.mark.gate
def test_limits_hold_for_five_hundred_calls_at_once(workers: Workers, sandbox: Sandbox) -> None:
    person, key = new_person("alice", Limits(requests_per_minute=40))
    bob, bobs = new_person("bob", Limits(tokens_per_day=500))
    both = [workers.start(sandbox, people(person, bob)) for _ in range(2)]
    sandbox.misbehave("slow", times=40)
    barrier = threading.Barrier(100)

    def five(number: int) -> list[int]:
        barrier.wait()
        return [ask(both[(number + turn) % 2], key=key)[0] for turn in range(5)]

    with ThreadPoolExecutor(100) as pool:
        statuses = Counter(status for five_of_them in pool.map(five, range(100)) for status in five_of_them)
    assert statuses == {200: 40, 429: 460}
    assert len(sandbox.requests) == 40
    # Tokens too: what one has counted the other knows.
    asked = Counter(ask(both[number % 2], key=bobs)[0] for number in range(30))
    assert asked[200] < 20
    assert all(ask(worker, key=bobs)[0] == 429 for worker in both)
    shared = workers.all_texts()
    for secret in (key, bobs, "alice", "bob"):
        assert secret not in shared


@pytest.mark.parametrize("fails", ["open", "closed"])
def test_with_redis_gone_calls_go_on(tmp_path: Path, sandbox: Sandbox, fails: str) -> None:
    person, key = new_person("alice", Limits(requests_per_minute=4))
    carol, carols = new_person("carol", Limits())
    with redis_server(tmp_path / "redis") as server, ExitStack() as stack:
        workers = Workers(tmp_path, server, stack)
        environ = {"CODEX_LIMITS_FAIL": fails, "CODEX_ADMIN_LISTEN": "0"}
        one, other = (workers.start(sandbox, people(person, carol), **environ) for _ in range(2))
        made = ask(one, key=carols)[1]
        assert [ask(worker, key=key)[0] for worker in (one, other, one)] == [200] * 3
        assert ask(other, previous_response_id=made["id"], key=carols)[0] == 200
        server.stop()
        assert ask(one, key=carols)[0] == 200, "nobody is cut off who has no limits"
        assert ask(one, previous_response_id=made["id"], key=carols)[0] == 200, "it has stored that itself"
        status, error = ask(other, previous_response_id=made["id"], key=carols)
        assert (status, error["error"]["code"]) == (503, "state_unavailable")
        if fails == "open":
            assert [ask(one, key=key)[0] for _ in range(3)] == [200, 429, 429], "it goes on with what it knows"
            assert readiness(one) == (200, [])
        else:
            status, error = ask(one, key=key)
            assert (status, error["error"]["code"]) == (503, "state_unavailable")
            assert readiness(one) == (503, ["state_unavailable"])
        server.start()
        for worker in (one, other):
            worker.wait_for("can be used again")
            assert worker.log.count("cannot be used (") == 1
            assert PASSWORD not in worker.log
        assert readiness(one) == (200, [])
        assert ask(other, previous_response_id=made["id"], key=carols)[0] == 200
        statuses = [ask(other, key=key)[0] for _ in range(2)]
        assert statuses == ([429, 429] if fails == "open" else [200, 429]), "what was counted meanwhile is caught up on"


def readiness(proxy: Proxy) -> tuple[int, list[str]]:
    """What `/readyz` says, and why."""
    port = int(proxy.wait_for(r"admin listener at http://127\.0\.0\.1:(\d+)")[1])
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as client:
        client.request("GET", "/readyz")
        answer = client.getresponse()
        return answer.status, [reason["code"] for reason in json.loads(answer.read())["reasons"]]


def test_what_codex_state_names_can_be_changed_while_it_runs(tmp_path: Path, sandbox: Sandbox) -> None:
    with redis_server(tmp_path / "redis") as server, ExitStack() as stack:
        workers = Workers(tmp_path, server, stack)
        proxy = workers.start(sandbox, ("openai-codex-auth-config.json", {"state": "memory"}), CODEX_STATE="")
        file = proxy.home / ".opencode" / "openai-codex-auth-config.json"
        made: dict[str, str] = {}
        for state in ("memory", server.url, "disk"):
            file.write_text(json.dumps({"state": state}))
            assert eventually(lambda: not any(found(proxy, each) for each in made.values()), 20)
            made[state] = ask(proxy)[1]["id"]
        for state, response_id in made.items():
            file.write_text(json.dumps({"state": state}))
            assert eventually(lambda response_id=response_id: found(proxy, response_id), 20)  # type: ignore[misc]


def found(proxy: Proxy, response_id: str) -> bool:
    return get(proxy, f"/responses/{response_id}")[0] == 200


def test_a_password_in_an_option_is_taken_out_of_it(tmp_path: Path, sandbox: Sandbox) -> None:
    with redis_server(tmp_path / "redis") as server:
        options = ("--set", f"codex_state={server.url}")
        with mitmdump(tmp_path / "home", sandbox, *options) as proxy:
            proxy.wait_for("on a command line the password is visible in the list of processes")
            made = ask(proxy)[1]
            assert get(proxy, f"/responses/{made['id']}")[0] == 200
            assert server.texts()
            assert PASSWORD not in proxy.log


@pytest.mark.gate
def test_a_worker_that_was_killed_holds_nothing_for_ever(tmp_path: Path, sandbox: Sandbox) -> None:
    """What it ran in the background is ended by who is asked for it, once it has not been heard of for a while."""
    sandbox.misbehave("hang", times=1)
    with ExitStack() as stack:
        workers = Workers(tmp_path, None, stack)
        killed, other = workers.start(sandbox), workers.start(sandbox)
        made = ask(killed, "long", background=True)[1]
        assert sandbox.wait(lambda requests: len(requests) == 1)
        killed.process.kill()
        killed.process.wait()
        assert get(other, f"/responses/{made['id']}")[1]["status"] in ("queued", "in_progress")
        assert eventually(lambda: get(other, f"/responses/{made['id']}")[1]["status"] == "failed", 60)
