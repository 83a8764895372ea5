"""Several endpoints: the real mitmdump, and what each of them received."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.ports import reserved
from support.running import OPENCODE_AGENT, Proxy, cache_instructions, mitmdump
from support.waiting import eventually

from codex_transform import sandbox as sandboxes
from codex_transform.sandbox import Sandbox

Start = Callable[..., Proxy]


@pytest.fixture
def both() -> Iterator[tuple[Sandbox, Sandbox]]:
    with sandboxes.running() as first, sandboxes.running() as second:
        yield first, second


@pytest.fixture
def start(tmp_path: Path, both: tuple[Sandbox, Sandbox]) -> Iterator[Start]:
    """A function that starts a proxy with both endpoints, the second as a fallback."""

    def go(**environ: str) -> Proxy:
        first, second = both
        entries = [
            {"name": "first", "baseURL": first.url, "apiKey": first.key},
            {"name": "second", "baseURL": second.url, "apiKey": second.key, "priority": 1},
        ]
        file = tmp_path / ".opencode" / "openai-codex-auth-config.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({"endpoints": entries}))
        file.chmod(0o600)
        return stack.enter_context(mitmdump(tmp_path, first, CODEX_BASE_URL="", CODEX_API_KEY="", **environ))

    with ExitStack() as stack:
        yield go


def ask(proxy: Proxy, text: str = "hello", *, stream: bool = True, items: Any = None) -> tuple[int, Any, bytes]:
    body = {"model": "gpt-5.1", "input": items or text, "stream": stream, "prompt_cache_key": "c", "store": False}
    return proxy.send(body, user_agent="opencode/1.18.33")


def statuses(endpoint: Sandbox) -> list[int]:
    return [entry["status"] for entry in endpoint.requests]


def test_the_first_endpoint_gets_all_calls_while_it_is_up(both: tuple[Sandbox, Sandbox], start: Start) -> None:
    proxy = start()
    for _ in range(3):
        assert ask(proxy)[0] == 200
    assert (statuses(both[0]), statuses(both[1])) == ([200] * 3, [])


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", ["usage-limit-429", "usage-limit-404", "unauthorized"])
def test_a_limit_moves_the_conversation(both: tuple[Sandbox, Sandbox], start: Start, fault: str, stream: bool) -> None:
    proxy = start()
    reasoning = {"type": "reasoning", "summary": [], "encrypted_content": "of the first"}
    items = [{"role": "user", "content": "one"}, reasoning, {"role": "user", "content": "two"}]
    both[0].misbehave(fault, times=1)
    for _ in range(2):
        status, _, answer = ask(proxy, items=items, stream=stream)
        assert status == 200, answer
    assert len(both[0].requests) == 1
    assert statuses(both[1]) == [200, 200]
    for entry in both[1].requests:
        assert [item["type"] for item in entry["body"]["input"]] == ["message", "message"]
        assert entry["headers"]["host"] == both[1].url.removeprefix("http://")
    assert both[1].requests[0]["body"] == both[1].requests[1]["body"]
    assert proxy.wait_for("sent to second")
    assert both[1].key not in proxy.log


@pytest.mark.parametrize(
    ("refusing", "agent"), [("no-include", OPENCODE_AGENT), ("codex-instructions", "OpenAI/Python 2.8")]
)
def test_what_an_endpoint_is_known_to_refuse_is_not_sent_when_a_call_moves_to_it(
    both: tuple[Sandbox, Sandbox], start: Start, tmp_path: Path, refusing: str, agent: str
) -> None:
    cache_instructions(tmp_path, "gpt-5.1", "Write code [codex]")
    proxy = start(CODEX_RETRIES="0")
    both[1].misbehave(refusing)
    for turn, own in enumerate(("Rhyme.", "Be brief.")):
        both[0].misbehave("overloaded", times=1)
        body = {"model": "gpt-5.1", "input": "hello", "stream": True, "prompt_cache_key": f"c{turn}", "store": False}
        assert proxy.send({**body, "instructions": own}, user_agent=agent)[0] == 200
    assert len(both[0].requests) == 2
    assert statuses(both[1]) == [400, 200, 200]
    for entry in both[1].requests[1:]:
        assert ("include" in entry["body"]) == (refusing != "no-include")
        assert entry["body"]["instructions"] == "Write code [codex]"


def test_a_call_moves_on_from_an_endpoint_that_is_gone(both: tuple[Sandbox, Sandbox], start: Start) -> None:
    proxy = start(CODEX_RETRIES="0")
    file = proxy.home / ".opencode" / "openai-codex-auth-config.json"
    document = json.loads(file.read_text())
    with reserved() as port:
        document["endpoints"][0]["baseURL"] = f"http://127.0.0.1:{port}"
        file.write_text(json.dumps(document))
        assert eventually(lambda: ask(proxy)[0] == 200 and bool(both[1].requests))
        both[1].forget()
        for _ in range(4):
            assert ask(proxy)[0] == 200
    assert statuses(both[1]) == [200] * 4


def test_a_limit_in_the_middle_of_an_answer_moves_the_next_call(both: tuple[Sandbox, Sandbox], start: Start) -> None:
    proxy = start()
    both[0].misbehave("failed-rate-limit", times=1)
    assert b"response.failed" in ask(proxy)[2]
    assert b"response.completed" in ask(proxy)[2]
    assert (len(both[0].requests), statuses(both[1])) == (1, [200])


@pytest.mark.parametrize("fault", ["html-200", "empty"])
def test_an_invalid_answer_moves_the_call(both: tuple[Sandbox, Sandbox], start: Start, fault: str) -> None:
    proxy = start()
    both[0].misbehave(fault)
    for stream in (True, False):
        assert ask(proxy, stream=stream)[0] == 200
    assert statuses(both[1]) == [200] * 2


def test_a_chain_stays_with_its_endpoint(both: tuple[Sandbox, Sandbox], start: Start) -> None:
    """With two endpoints of the same priority, the second response comes from the endpoint of the first."""
    proxy = start()
    file = proxy.home / ".opencode" / "openai-codex-auth-config.json"
    file.write_text(file.read_text().replace('"priority": 1', '"priority": 0'))
    assert eventually(lambda: ask_chained(proxy, both) and bool(both[1].requests))


def ask_chained(proxy: Proxy, both: tuple[Sandbox, Sandbox]) -> bool:
    """Request a chain of two responses, and assert that one endpoint made both."""
    for endpoint in both:
        endpoint.forget()
    last = None
    for text in ("one", "two"):
        body = {"model": "gpt-5.1", "input": text, "previous_response_id": last}
        status, _, answer = proxy.send(body)
        assert status == 200, answer
        last = json.loads(answer)["id"]
    assert sorted(len(endpoint.requests) for endpoint in both) == [0, 2]
    return True


def test_a_cancelled_response_is_sent_to_no_other_endpoint(both: tuple[Sandbox, Sandbox], start: Start) -> None:
    proxy = start()
    both[0].misbehave("hang-before-head", times=1)
    _, _, answer = proxy.send({"model": "gpt-5.1", "input": "x", "background": True})
    made = json.loads(answer)["id"]
    assert both[0].wait(lambda requests: len(requests) == 1)
    status, _, answer = proxy.send(b"", f"/v1/responses/{made}/cancel")
    assert (status, json.loads(answer)["status"]) == (200, "cancelled")
    assert both[0].wait(lambda requests: requests[0]["cancelled"])
    assert not both[1].requests


def test_a_request_is_not_sent_again_after_its_answer_began(both: tuple[Sandbox, Sandbox], start: Start) -> None:
    proxy = start()
    both[0].misbehave("cut", times=1)
    assert ask(proxy)[0] == 200
    assert (len(both[0].requests), len(both[1].requests)) == (1, 0)


def test_an_error_of_the_request_does_not_move_the_call(both: tuple[Sandbox, Sandbox], start: Start) -> None:
    proxy = start()
    body = {"model": "gpt-none", "input": "x", "stream": False}
    assert proxy.send(body)[0] == 400
    assert (len(both[0].requests), len(both[1].requests)) == (1, 0)


def test_if_all_endpoints_are_used_up_the_client_gets_the_error(both: tuple[Sandbox, Sandbox], start: Start) -> None:
    proxy = start()
    for endpoint in both:
        endpoint.misbehave("usage-limit-429")
    status, headers, _ = ask(proxy, stream=False)
    assert status == 429
    assert headers["retry-after"]
