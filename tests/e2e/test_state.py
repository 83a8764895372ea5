"""Stored responses on an endpoint that stores nothing: the real mitmdump, and what the endpoint received."""

import json
import stat
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.ports import reserved
from support.running import Proxy, mitmdump
from support.waiting import eventually

from codex_transform.proxy.addons.background_responses import MAX_JOBS
from codex_transform.sandbox import Sandbox


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    """The module's endpoint, without the requests of the test before."""
    shared_sandbox.forget()
    shared_sandbox.behave()
    return shared_sandbox


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, shared_sandbox: Sandbox) -> Iterator[Proxy]:
    with mitmdump(tmp_path_factory.mktemp("home"), shared_sandbox) as running:
        yield running


def ask(proxy: Proxy, method: str, path: str, body: Any = None, key: str = "sk-one") -> tuple[int, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    status, _, answer = proxy.send(content, f"/v1{path}", method, authorization=f"Bearer {key}")
    return status, json.loads(answer)


def create(proxy: Proxy, text: str, *, key: str = "sk-one", stream: bool = False, **fields: Any) -> dict[str, Any]:
    """Send a request and return the response that the client gets."""
    body = {"model": "gpt-5.1", "input": text, "stream": stream, **fields}
    status, _, answer = proxy.send(body, authorization=f"Bearer {key}")
    assert status == 200, answer
    if not stream:
        return dict(json.loads(answer))
    events = [json.loads(line[6:]) for line in answer.decode().splitlines() if line.startswith("data: {")]
    assert {event["response"]["id"] for event in events if "response" in event} == {events[-1]["response"]["id"]}
    return dict(events[-1]["response"])


def said(entry: dict[str, Any]) -> list[str]:
    """Return the texts in the input that the endpoint received."""
    return [part["text"] for item in entry["body"]["input"] for part in item.get("content", ())]


@pytest.mark.parametrize("stream", [False, True])
def test_previous_response_id_continues_a_conversation(proxy: Proxy, sandbox: Sandbox, stream: bool) -> None:
    last, expected = None, list[str]()
    for turn in ("one", "two", "three", "four", "five"):
        response = create(proxy, turn, stream=stream, previous_response_id=last)
        assert (response["previous_response_id"], response["store"]) == (last, True)
        expected.append(turn)
        received = sandbox.requests[-1]
        assert said(received) == expected
        assert not {"previous_response_id", "conversation"} & received["body"].keys()
        assert received["body"]["store"] is False
        expected.append(response["output"][-1]["content"][0]["text"])
        last = response["id"]
    bodies = [entry["body"]["input"] for entry in sandbox.requests]
    assert all(later[: len(earlier)] == earlier for earlier, later in pairwise(bodies))


def test_a_tool_output_is_sent_with_its_stored_call(proxy: Proxy, sandbox: Sandbox) -> None:
    tools = [{"type": "function", "name": "bash", "parameters": {"properties": {"command": {"type": "string"}}}}]
    first = create(proxy, "run ls", tools=tools)
    call = next(item for item in first["output"] if item["type"] == "function_call")
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "a.txt"}
    create(proxy, "", input=[output], previous_response_id=first["id"], tools=tools)
    kinds = [item["type"] for item in sandbox.requests[-1]["body"]["input"]]
    assert kinds[-2:] == ["function_call", "function_call_output"]


def test_item_references_are_replaced_by_the_items(proxy: Proxy, sandbox: Sandbox) -> None:
    first = create(proxy, "one")
    answer = first["output"][-1]
    reference = {"type": "item_reference", "id": answer["id"]}
    create(proxy, "", input=[{"role": "user", "content": "one"}, reference, {"role": "user", "content": "two"}])
    assert said(sandbox.requests[-1]) == ["one", answer["content"][0]["text"], "two"]


def test_a_conversation_object_collects_its_items(proxy: Proxy, sandbox: Sandbox) -> None:
    _, made = ask(proxy, "POST", "/conversations", {"items": [{"role": "user", "content": "zero"}]})
    for turn in ("one", "two"):
        response = create(proxy, turn, conversation=made["id"])
        assert response["conversation"] == {"id": made["id"]}
    answers = said(sandbox.requests[-1])
    assert answers[:2] == ["zero", "one"]
    assert answers[-1] == "two"
    _, listed = ask(proxy, "GET", f"/conversations/{made['id']}/items?order=asc")
    assert [item["role"] for item in listed["data"]] == ["user", "user", "assistant", "user", "assistant"]


def test_a_failed_response_is_not_part_of_its_conversation(proxy: Proxy, sandbox: Sandbox) -> None:
    _, made = ask(proxy, "POST", "/conversations", {})
    sandbox.misbehave("failed", times=1)
    body = {"model": "gpt-5.1", "input": "lost", "stream": True, "conversation": made["id"]}
    assert b"response.failed" in proxy.send(body, authorization="Bearer sk-one")[2]
    first = create(proxy, "one", conversation=made["id"])
    reference = {"type": "item_reference", "id": first["output"][-1]["id"]}
    create(proxy, "", input=[reference, {"role": "user", "content": "two"}], conversation=made["id"])
    answer = first["output"][-1]["content"][0]["text"]
    create(proxy, "three", conversation=made["id"])
    assert said(sandbox.requests[-1])[:4] == ["one", answer, answer, "two"]
    _, added = ask(proxy, "POST", f"/conversations/{made['id']}/items", {"items": [reference]})
    assert added["data"][0]["content"][0]["text"] == answer


def test_a_stored_response_is_read_listed_and_deleted(proxy: Proxy, sandbox: Sandbox) -> None:
    made = create(proxy, "hello")
    path = f"/responses/{made['id']}"
    assert ask(proxy, "GET", path) == (200, made)
    _, items = ask(proxy, "GET", f"{path}/input_items")
    assert items["data"][0]["content"] == [{"type": "input_text", "text": "hello"}]
    assert ask(proxy, "GET", path, key="sk-two")[0] == 404
    assert ask(proxy, "POST", f"{path}/cancel")[0] == 400
    assert ask(proxy, "DELETE", path) == (200, {"id": made["id"], "object": "response", "deleted": True})
    assert ask(proxy, "GET", path)[0] == 404
    assert len(sandbox.requests) == 1


def test_with_store_false_nothing_is_stored(proxy: Proxy) -> None:
    made = create(proxy, "hello", store=False)
    assert made["store"] is False
    status, error = ask(proxy, "GET", f"/responses/{made['id']}")
    assert (status, error["error"]["type"]) == (404, "invalid_request_error")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"previous_response_id": "resp_x"}, 400, "previous_response_not_found"),
        ({"conversation": "conv_x"}, 404, None),
        ({"input": [{"type": "item_reference", "id": "msg_x"}]}, 404, None),
        ({"conversation": "conv_x", "previous_response_id": "resp_x"}, 400, None),
    ],
)
def test_a_reference_to_an_unknown_response_is_refused(
    proxy: Proxy, sandbox: Sandbox, fields: dict[str, Any], status: int, code: str | None
) -> None:
    got, error = ask(proxy, "POST", "/responses", {"model": "gpt-5.1", "input": "hi", **fields})
    assert (got, error["error"]["code"]) == (status, code)
    assert not sandbox.requests


def test_another_client_key_cannot_read_stored_responses(proxy: Proxy) -> None:
    made = create(proxy, "secret")
    body = {"model": "gpt-5.1", "input": "hi", "previous_response_id": made["id"]}
    status, error = ask(proxy, "POST", "/responses", body, key="sk-two")
    assert (status, error["error"]["code"]) == (400, "previous_response_not_found")


def test_unknown_paths_are_refused(proxy: Proxy, sandbox: Sandbox) -> None:
    assert ask(proxy, "PUT", "/responses/resp_1")[0] == 405
    status, error = ask(proxy, "GET", "/responses/resp_1/other")
    assert status == 404
    assert "/responses/resp_1/other" in error["error"]["message"]
    assert not sandbox.requests


def test_on_disk_responses_survive_a_restart(tmp_path: Path, sandbox: Sandbox) -> None:
    with mitmdump(tmp_path, sandbox, CODEX_STATE="disk") as proxy:
        made = create(proxy, "one", stream=True)
    file = tmp_path / ".opencode" / "codex-state.sqlite"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"sk-one" not in file.read_bytes()
    with mitmdump(tmp_path, sandbox, CODEX_STATE="disk") as proxy:
        create(proxy, "two", previous_response_id=made["id"])
    assert said(sandbox.requests[-1])[::2] == ["one", "two"]


def test_a_background_response_whose_proxy_ended_has_failed(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.misbehave("hang", times=1)
    with mitmdump(tmp_path, sandbox, CODEX_STATE="disk", CODEX_DRAIN_TIMEOUT="0") as proxy:
        made = create(proxy, "one", background=True)
        assert sandbox.wait(lambda requests: len(requests) == 1)
    with mitmdump(tmp_path, sandbox, CODEX_STATE="disk") as proxy:
        status, found = ask(proxy, "GET", f"/responses/{made['id']}")
    assert (status, found["status"]) == (200, "failed")


@pytest.mark.parametrize(("limits", "then"), [("open", "counts people's limits"), ("closed", "limits are refused")])
def test_the_log_says_what_to_do_if_shared_state_cannot_be_used(
    tmp_path: Path, sandbox: Sandbox, limits: str, then: str
) -> None:
    with reserved() as port:
        url = f"redis://:a-password@127.0.0.1:{port}/0"
        with mitmdump(tmp_path, sandbox, CODEX_STATE=url, CODEX_LIMITS_FAIL=limits) as proxy:
            assert create(proxy, "one")["status"] == "completed"
            line = proxy.wait_for("codex_state: .*")[0]
    assert line.startswith(f"codex_state: redis://:…@127.0.0.1:{port}/0 cannot be used (")
    assert then in line
    assert line.endswith(" Fix: start that server, or correct its address in codex_state")
    assert "a-password" not in proxy.log


def test_the_log_says_what_to_do_if_the_file_of_shared_state_cannot_be_used(tmp_path: Path, sandbox: Sandbox) -> None:
    file = tmp_path / ".opencode" / "codex-state.sqlite"
    file.mkdir(parents=True)
    with mitmdump(tmp_path, sandbox, CODEX_STATE="disk") as proxy:
        assert create(proxy, "one")["status"] == "completed"
        line = proxy.wait_for("codex_state: .*")[0]
    assert line.startswith(f"codex_state: {file} cannot be used (")
    assert line.endswith(" Fix: make the file and its folder writable for you, and see that the disk has room")


def test_without_state_a_reference_is_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    with mitmdump(tmp_path, sandbox, CODEX_STATE="off") as proxy:
        made = create(proxy, "one")
        body = {"model": "gpt-5.1", "input": "hi", "previous_response_id": made["id"]}
        status, error = ask(proxy, "POST", "/responses", body)
        assert status == 400
        assert "codex_state" in error["error"]["message"]
        assert ask(proxy, "GET", f"/responses/{made['id']}")[0] == 400
    assert len(sandbox.requests) == 1


def poll(proxy: Proxy, response_id: str) -> dict[str, Any]:
    """Poll a response until it is finished, and return it."""
    found: list[dict[str, Any]] = []

    def over() -> bool:
        found.append(ask(proxy, "GET", f"/responses/{response_id}")[1])
        return found[-1]["status"] not in ("queued", "in_progress")

    assert eventually(over), found[-1]
    return found[-1]


def read(proxy: Proxy, response_id: str, after: int | None = None) -> list[dict[str, Any]]:
    """Return the events of a response."""
    query = "" if after is None else f"&starting_after={after}"
    path = f"/v1/responses/{response_id}?stream=true{query}"
    status, _, answer = proxy.send(b"", path, "GET", authorization="Bearer sk-one")
    assert status == 200, answer
    return [json.loads(line[6:]) for line in answer.decode().splitlines() if line.startswith("data: {")]


def test_a_background_response_is_polled(proxy: Proxy, sandbox: Sandbox) -> None:
    made = create(proxy, "hello", background=True)
    assert (made["status"], made["background"], made["output"]) == ("queued", True, [])
    done = poll(proxy, made["id"])
    assert (done["id"], done["status"], done["background"]) == (made["id"], "completed", True)
    assert done["output"][-1]["content"][0]["text"]
    events = read(proxy, made["id"])
    assert events[-1]["response"] == done
    middle = events[len(events) // 2]["sequence_number"]
    assert read(proxy, made["id"], middle) == events[len(events) // 2 + 1 :]
    assert "background" not in sandbox.requests[-1]["body"]
    create(proxy, "and then", previous_response_id=made["id"])
    assert said(sandbox.requests[-1])[0] == "hello"
    assert len(sandbox.requests) == 2


def test_a_background_response_is_streamed(proxy: Proxy, sandbox: Sandbox) -> None:
    made = create(proxy, "hello", background=True, stream=True)
    assert made["status"] == "completed"
    assert ask(proxy, "GET", f"/responses/{made['id']}") == (200, made)
    assert len(sandbox.requests) == 1


def test_a_background_response_goes_on_when_its_client_leaves(proxy: Proxy, sandbox: Sandbox) -> None:
    sandbox.misbehave("slow", times=1)
    body = json.dumps({"model": "gpt-5.1", "input": "hello", "background": True, "stream": True})
    with closing(HTTPConnection("127.0.0.1", proxy.port, timeout=60)) as client:
        client.request("POST", "http://api.openai.com/v1/responses", body, {"authorization": "Bearer sk-one"})
        first = client.getresponse().fp.readline
        line = next(line for line in iter(first, b"") if line.startswith(b"data: {"))
    response_id = json.loads(line[6:])["response"]["id"]
    assert not sandbox.requests[-1]["finished"]
    assert poll(proxy, response_id)["status"] == "completed"
    assert not sandbox.requests[-1]["cancelled"]


def test_a_background_response_is_cancelled(proxy: Proxy, sandbox: Sandbox) -> None:
    sandbox.misbehave("hang", times=1)
    made = create(proxy, "hello", background=True)
    assert sandbox.wait(lambda requests: len(requests) == 1)
    status, cancelled = ask(proxy, "POST", f"/responses/{made['id']}/cancel")
    assert (status, cancelled["status"]) == (200, "cancelled")
    assert sandbox.wait(lambda requests: requests[0]["cancelled"])
    assert poll(proxy, made["id"])["status"] == "cancelled"
    assert ask(proxy, "POST", f"/responses/{made['id']}/cancel") == (200, cancelled)


def test_nobody_can_run_all_background_responses_that_a_proxy_runs(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.misbehave("hang-before-head")
    body = {"model": "gpt-5.1", "input": "hello", "background": True}
    with mitmdump(tmp_path, sandbox) as proxy:
        ids = [create(proxy, "hello", background=True)["id"] for _ in range(MAX_JOBS // 2)]
        status, headers, answer = proxy.send(body, authorization="Bearer sk-one")
        assert (status, headers["retry-after"]) == (429, "10")
        error = json.loads(answer)["error"]
        assert error["param"] == "background"
        assert "250 of your responses" in error["message"]
        assert "/cancel" in error["message"]
        assert proxy.send(body, authorization="Bearer sk-two")[0] == 200
        assert ask(proxy, "POST", f"/responses/{ids[0]}/cancel")[0] == 200
        assert eventually(lambda: proxy.send(body, authorization="Bearer sk-one")[0] == 200)


def test_a_background_response_that_the_endpoint_refuses_has_failed(proxy: Proxy) -> None:
    made = create(proxy, "hello", background=True, model="no-such-model")
    failed = poll(proxy, made["id"])
    assert failed["status"] == "failed"
    assert "no-such-model" in failed["error"]["message"]
    assert read(proxy, made["id"])[-1]["type"] == "response.failed"


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"store": False}, 400, "background"),
        ({"previous_response_id": "resp_x"}, 400, "previous_response_id"),
    ],
)
def test_an_invalid_background_request_is_refused(
    proxy: Proxy, sandbox: Sandbox, fields: dict[str, Any], status: int, param: str
) -> None:
    body = {"model": "gpt-5.1", "input": "hi", "background": True, **fields}
    got, error = ask(proxy, "POST", "/responses", body)
    assert (got, error["error"]["param"]) == (status, param)
    assert not sandbox.requests


def test_an_invalid_starting_after_is_refused(proxy: Proxy) -> None:
    made = create(proxy, "hello")
    assert ask(proxy, "GET", f"/responses/{made['id']}?stream=true&starting_after=x")[0] == 400
    assert read(proxy, made["id"])[-1]["response"] == made
