"""OpenAI's SDKs for Python and Node: the whole Responses API on an endpoint that has only part of it."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support import needed
from support.real_clients import (
    SCRIPTS,
    Scripts,
    as_proxy,
    dialogue,
    interleave,
    node_modules,
    python_venv,
    requests_of_unknown_client,
    run,
)
from support.running import Proxy

from codex_transform.catalog import models
from codex_transform.sandbox import Sandbox

# Each test starts whole programs, and the first one installs them.
pytestmark = pytest.mark.gate

HELLO = "[sandbox] Hello! You said “say hello”"
Run = Callable[[str, Mapping[str, str]], Any]


@pytest.fixture(params=["python", "node"])
def script(request: pytest.FixtureRequest, scripts: Scripts, tmp_path: Path) -> Run:
    """Runs a scenario of the SDK's script."""
    if request.param == "python":
        return partial(scripts.run, python_venv(), "try_openai.py")
    command = [needed.node(), node_script("try_openai.mjs")]
    return lambda scenario, environ: run([*command, scenario], environ, tmp_path)


def node_script(name: str) -> Path:
    """Copies a script to the modules that it imports; returns the copy."""
    target = node_modules() / name
    target.write_bytes((SCRIPTS / "node" / name).read_bytes())
    return target


@pytest.fixture
def run_scenario(script: Run, proxy: Proxy, sandbox: Sandbox) -> Callable[[str], Any]:
    """Runs a scenario through the proxy, with an endpoint that has received no requests yet."""
    assert not sandbox.requests
    return lambda scenario: script(scenario, as_proxy(proxy))


def test_create_stream_and_parse(run_scenario: Callable[[str], Any], sandbox: Sandbox) -> None:
    result = run_scenario("basics")
    assert result["created"].startswith(HELLO)
    assert result["created"] == result["deltas"] == result["streamed"]
    assert result["parsed"] == {"city": "sandbox", "days": 1}
    assert result["models"] == ["gpt-5.2"] * 2
    bodies = requests_of_unknown_client(sandbox.requests, None)
    assert [body["instructions"] for body in bodies[:2]] == ["You are a parrot."] * 2
    assert bodies[2]["text"]["format"]["type"] == "json_schema"


def test_tool_calls(run_scenario: Callable[[str], Any], sandbox: Sandbox) -> None:
    result = run_scenario("tools")
    assert result["calls"] == ['{"a":1}', '{"a":2}']
    assert result["text"].splitlines() == [
        '[sandbox] Done: add answered “got {"a":1}”.',
        'Done: add answered “got {"a":2}”.',
    ]
    _, last = requests_of_unknown_client(sandbox.requests, None)
    kinds = [item["type"] for item in last["input"] if item["type"] != "reasoning"]
    assert kinds == ["message", *["function_call"] * 2, *["function_call_output"] * 2]


def test_a_chain_of_five_responses(run_scenario: Callable[[str], Any], sandbox: Sandbox) -> None:
    result = run_scenario("chain")
    prompts = [f"turn {turn}" for turn in range(5)]
    for body, turn in zip(requests_of_unknown_client(sandbox.requests), range(5), strict=True):
        assert dialogue(body) == interleave(prompts[: turn + 1], result["texts"][: turn + 1])
    assert result["retrieved"] == result["texts"][-1]
    assert result["input"] == ["turn 4"]
    assert result["deleted"][0] == 404
    assert result["broken"] == [400, "previous_response_not_found"]


def test_a_conversation_object(run_scenario: Callable[[str], Any], sandbox: Sandbox) -> None:
    result = run_scenario("conversation")
    prompts = [f"turn {turn}" for turn in range(3)]
    texts = ["My name is Ada.", *interleave(prompts, result["texts"])]
    assert dialogue(requests_of_unknown_client(sandbox.requests, None)[-1]) == texts
    assert result["items"] == [*texts, result["texts"][-1]]
    assert result["gone"][0] == 404


def test_a_background_response(run_scenario: Callable[[str], Any], sandbox: Sandbox) -> None:
    result = run_scenario("background")
    assert (result["began"], result["ended"]) == ("queued", "completed")
    assert result["text"].startswith(HELLO)
    assert result["last"] == "response.completed"
    assert len(requests_of_unknown_client(sandbox.requests, None)) == 1


def test_other_paths(run_scenario: Callable[[str], Any]) -> None:
    result = run_scenario("other_paths")
    assert set(result["models"]) == {model.slug for model in models()}
    assert result["model"] == "gpt-5.2"
    assert result["tokens"] > 50
    assert "compaction" in result["compacted"]


def test_a_websocket_in_node(reverse_proxy: Proxy, sandbox: Sandbox, tmp_path: Path) -> None:
    """In reverse mode, because its WebSockets ignore HTTPS_PROXY."""
    environ = {"OPENAI_BASE_URL": f"{reverse_proxy.url}/v1"}
    texts = run([needed.node(), node_script("try_openai.mjs"), "websocket"], environ, tmp_path)["texts"]
    bodies = requests_of_unknown_client(sandbox.requests)
    assert dialogue(bodies[-1]) == interleave(["turn 0", "turn 1", "turn 2"], texts)


def test_results_are_the_same_without_a_proxy(script: Run, proxy: Proxy, sandbox: Sandbox) -> None:
    direct = script("as_codex", {"OPENAI_BASE_URL": f"{sandbox.url}/backend-api/codex", "OPENAI_API_KEY": sandbox.key})
    direct_bodies = [request["body"] for request in sandbox.requests]
    sandbox.forget()
    assert script("as_codex", as_proxy(proxy)) == direct
    assert direct["text"] == "[sandbox] Done: add answered “3”."
    bodies = requests_of_unknown_client(sandbox.requests)
    assert [comparable(body) for body in bodies] == [comparable(body) for body in direct_bodies]
    assert [request["headers"]["originator"] for request in sandbox.requests] == ["try_openai"] * 2


def comparable(body: dict[str, Any]) -> dict[str, Any]:
    """A body without what differs in every run, and without item ids, which only an endpoint that stores needs."""
    varying = {"id", "call_id", "encrypted_content"}
    items = [{name: value for name, value in item.items() if name not in varying} for item in body["input"]]
    return {**body, "input": items}
