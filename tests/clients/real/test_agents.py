"""Agent libraries, some of which chain responses on their own: none loses its history."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from clients.real.test_sdks import comparable, node_script
from support import needed
from support.real_clients import Scripts, as_proxy, dialogue, interleave, python_venv, requests_of_unknown_client, run
from support.running import Proxy

from codex_transform.sandbox import Sandbox

# Each test starts whole programs, and the first one installs them.
pytestmark = pytest.mark.gate

RunScenario = Callable[[str, str, Mapping[str, str]], Any]

AI_SDK = ("ai_sdk 5", "ai_sdk 6", "ai_sdk 7")

ADD = 'use add with {"a": 1}'
PROMPTS = ["turn 0", ADD, "turn 2", "turn 3"]
TRIP = {"city": "sandbox", "days": 1}

# Clients and their scenarios of a conversation, with the prompts in it.
CONVERSATIONS = [
    ("agents", "session", PROMPTS[:3]),
    ("agents", "chain", ["turn 0", f'{ADD} then use add with {{"a": 2}}', "turn 2"]),
    ("agents", "websocket", PROMPTS[:3]),
    ("agno", "session", PROMPTS),
    ("agent_framework", "session", ["turn 0", f'{ADD} and also use add with {{"a": 2}}', "turn 2", "turn 3"]),
    ("pydantic_ai", "history", PROMPTS),
    ("pydantic_ai", "chain", PROMPTS),
    ("langchain", "history", PROMPTS),
    ("langchain", "chain", PROMPTS),
    ("litellm", "chain", [f"turn {turn}" for turn in range(5)]),
    ("litellm", "completions", PROMPTS[:3]),
    ("llama_index", "history", [f"turn {turn}" for turn in range(3)]),
    ("llama_index", "chain", [f"turn {turn}" for turn in range(5)]),
    *((client, scenario, PROMPTS) for client in AI_SDK for scenario in ("history", "streamed")),
    *((client, "chain", [f"turn {turn}" for turn in range(3)]) for client in AI_SDK),
]


@pytest.fixture
def run_client(scripts: Scripts, tmp_path: Path) -> RunScenario:
    """Runs a scenario of a client; returns its result."""

    def run_scenario(client: str, scenario: str, environ: Mapping[str, str]) -> Any:
        if client in AI_SDK:
            return run([needed.node(), node_script("try_ai_sdk.mjs"), scenario, client[-1]], environ, tmp_path)
        python = python_venv("requirements-llama-index" if client == "llama_index" else "requirements")
        return scripts.run(python, f"try_{client}.py", scenario, environ)

    return run_scenario


@pytest.mark.parametrize(("client", "scenario", "prompts"), CONVERSATIONS)
def test_a_conversation_keeps_its_history(
    client: str, scenario: str, prompts: list[str], run_client: RunScenario, proxy: Proxy, sandbox: Sandbox
) -> None:
    since = len(proxy.lines)
    result = run_client(client, scenario, as_proxy(proxy))
    texts = result["texts"]
    if scenario == "websocket":
        proxy.wait_for("101 Switching Protocols", since=since)
    if client in AI_SDK and scenario != "chain":
        # The AI SDK refers to earlier output by id.
        assert result["references"] > 0
    for prompt, text in zip(prompts, texts, strict=True):
        beginning = "Done: add answered “got" if prompt.startswith("use") else f"You said “{prompt}”"
        assert text.startswith(f"[sandbox] {beginning}")
    bodies = requests_of_unknown_client(sandbox.requests)
    assert dialogue(bodies[-1]) == interleave(prompts, texts)
    kinds = [item["type"] for item in bodies[-1]["input"]]
    calls = sum(prompt.count("use add") for prompt in prompts)
    assert kinds.count("function_call") == kinds.count("function_call_output") == calls


@pytest.mark.parametrize(
    "client", ["agents", "agno", "agent_framework", "langchain", "litellm", "llama_index", *AI_SDK]
)
def test_structured_output(client: str, run_client: RunScenario, proxy: Proxy, sandbox: Sandbox) -> None:
    assert run_client(client, "structured", as_proxy(proxy)) == TRIP
    (body,) = requests_of_unknown_client(sandbox.requests, None)
    assert body["text"]["format"]["type"] == "json_schema"


def test_structured_output_of_pydantic_ai(run_client: RunScenario, proxy: Proxy, sandbox: Sandbox) -> None:
    assert run_client("pydantic_ai", "structured", as_proxy(proxy)) == {"tool": TRIP, "native": TRIP}
    requests_of_unknown_client(sandbox.requests)


@pytest.mark.parametrize("client", ["agno", "agent_framework", "pydantic_ai", "langchain", "litellm", "llama_index"])
def test_a_streamed_response(client: str, run_client: RunScenario, proxy: Proxy, sandbox: Sandbox) -> None:
    text = run_client(client, "streamed", as_proxy(proxy))["text"]
    assert text.startswith("[sandbox] Hello! You said “say hello”")
    assert text.endswith("endpoint.")
    assert dialogue(requests_of_unknown_client(sandbox.requests, None)[-1]) == ["say hello"]


def test_a_stream_with_a_tool_and_nothing_stored(run_client: RunScenario, proxy: Proxy, sandbox: Sandbox) -> None:
    """The endpoint accepts such requests unchanged, so a proxy makes no difference."""
    direct = {"OPENAI_BASE_URL": f"{sandbox.url}/backend-api/codex", "OPENAI_API_KEY": sandbox.key}
    bodies = []
    for environ in (direct, as_proxy(proxy)):
        sandbox.forget()
        assert run_client("agents", "streamed", environ)["text"] == "[sandbox] Done: add answered “got 1”."
        bodies.append([comparable(body) for body in requests_of_unknown_client(sandbox.requests)])
    # The SDK sends a prompt_cache_key only to OpenAI's own host.
    assert [{**body, "prompt_cache_key": None} for body in bodies[1]] == [
        {**body, "prompt_cache_key": None} for body in bodies[0]
    ]


def test_a_handoff(run_client: RunScenario, proxy: Proxy, sandbox: Sandbox) -> None:
    result = run_client("agents", "handoff", as_proxy(proxy))
    assert result["agent"] == "helper"
    assert result["text"].startswith("[sandbox] Done: transfer_to_helper answered")
    first, second = requests_of_unknown_client(sandbox.requests, None)
    assert (first["instructions"], second["instructions"]) == ("You are a parrot.", "You help parrots.")
    assert dialogue(second) == ["use transfer_to_helper"]


def test_a_tool_call_of_llama_index(run_client: RunScenario, proxy: Proxy, sandbox: Sandbox) -> None:
    assert run_client("llama_index", "tools", as_proxy(proxy))["text"] == "got 1"
    requests_of_unknown_client(sandbox.requests)
