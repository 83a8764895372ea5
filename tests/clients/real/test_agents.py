"""Libraries for agents, which chain responses without being told to: none loses its history."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from clients.real.test_sdks import copied, told
from support import needed
from support.real_clients import Scripts, as_proxy, python_venv, requests_of_a_stranger, run, spoken, woven
from support.running import Proxy

from codex_transform.sandbox import Sandbox

# Each starts whole programs, and the first one installs them.
pytestmark = pytest.mark.gate

Ask = Callable[[str, str, Mapping[str, str]], Any]

AI_SDK = ("ai_sdk 5", "ai_sdk 6", "ai_sdk 7")

ADD = 'use add with {"a": 1}'
ADDED = ["turn 0", ADD, "turn 2", "turn 3"]
TRIP = {"city": "sandbox", "days": 1}

# Scenarios of a talk, with what the user says in it.
TALKS = [
    ("agents", "session", ADDED[:3]),
    ("agents", "chain", ["turn 0", f'{ADD} then use add with {{"a": 2}}', "turn 2"]),
    ("agents", "websocket", ADDED[:3]),
    ("agno", "session", ADDED),
    ("agent_framework", "session", ["turn 0", f'{ADD} and also use add with {{"a": 2}}', "turn 2", "turn 3"]),
    ("pydantic_ai", "history", ADDED),
    ("pydantic_ai", "chain", ADDED),
    ("langchain", "history", ADDED),
    ("langchain", "chain", ADDED),
    ("litellm", "chain", [f"turn {turn}" for turn in range(5)]),
    ("litellm", "completions", ADDED[:3]),
    ("llama_index", "history", [f"turn {turn}" for turn in range(3)]),
    ("llama_index", "chain", [f"turn {turn}" for turn in range(5)]),
    *((client, scenario, ADDED) for client in AI_SDK for scenario in ("history", "streamed")),
    *((client, "chain", [f"turn {turn}" for turn in range(3)]) for client in AI_SDK),
]


@pytest.fixture
def ask(scripts: Scripts, tmp_path: Path) -> Ask:
    """Runs a scenario of a client, and gives its result."""

    def run_scenario(client: str, scenario: str, environ: Mapping[str, str]) -> Any:
        if client in AI_SDK:
            return run([needed.node(), copied("try_ai_sdk.mjs"), scenario, client[-1]], environ, tmp_path)
        python = python_venv("requirements-llama-index" if client == "llama_index" else "requirements")
        return scripts.run(python, f"try_{client}.py", scenario, environ)

    return run_scenario


@pytest.mark.parametrize(("client", "scenario", "prompts"), TALKS)
def test_a_talk(client: str, scenario: str, prompts: list[str], ask: Ask, proxy: Proxy, sandbox: Sandbox) -> None:
    since = len(proxy.lines)
    result = ask(client, scenario, as_proxy(proxy))
    texts = result["texts"]
    assert scenario != "websocket" or proxy.wait_for("101 Switching Protocols", since=since)
    # What the AI SDK was answered before, it names by id.
    assert result.get("references", 1) > 0
    for prompt, text in zip(prompts, texts, strict=True):
        begins = "Done: add answered “got" if prompt.startswith("use") else f"You said “{prompt}”"
        assert text.startswith(f"[sandbox] {begins}")
    bodies = requests_of_a_stranger(sandbox.requests)
    assert spoken(bodies[-1]) == woven(prompts, texts)
    kinds = [item["type"] for item in bodies[-1]["input"]]
    calls = sum(prompt.count("use add") for prompt in prompts)
    assert kinds.count("function_call") == kinds.count("function_call_output") == calls


@pytest.mark.parametrize(
    "client", ["agents", "agno", "agent_framework", "langchain", "litellm", "llama_index", *AI_SDK]
)
def test_structured_output(client: str, ask: Ask, proxy: Proxy, sandbox: Sandbox) -> None:
    assert ask(client, "structured", as_proxy(proxy)) == TRIP
    (body,) = requests_of_a_stranger(sandbox.requests, None)
    assert body["text"]["format"]["type"] == "json_schema" or body["tools"][0]["name"] == "Trip"


def test_structured_output_of_pydantic_ai(ask: Ask, proxy: Proxy, sandbox: Sandbox) -> None:
    assert ask("pydantic_ai", "structured", as_proxy(proxy)) == {"tool": TRIP, "native": TRIP}
    requests_of_a_stranger(sandbox.requests)


@pytest.mark.parametrize("client", ["agno", "agent_framework", "pydantic_ai", "langchain", "litellm", "llama_index"])
def test_a_stream(client: str, ask: Ask, proxy: Proxy, sandbox: Sandbox) -> None:
    text = ask(client, "streamed", as_proxy(proxy))["text"]
    assert text.startswith("[sandbox] Hello! You said “say hello”")
    assert text.endswith("endpoint.")
    assert spoken(requests_of_a_stranger(sandbox.requests, None)[-1]) == ["say hello"]


def test_a_stream_with_a_tool_and_nothing_stored(ask: Ask, proxy: Proxy, sandbox: Sandbox) -> None:
    """The endpoint takes such requests as they are: it makes no difference whether there is a proxy."""
    direct = {"OPENAI_BASE_URL": f"{sandbox.url}/backend-api/codex", "OPENAI_API_KEY": sandbox.key}
    bodies = []
    for environ in (direct, as_proxy(proxy)):
        sandbox.forget()
        assert ask("agents", "streamed", environ)["text"] == "[sandbox] Done: add answered “got 1”."
        bodies.append([told(body) for body in requests_of_a_stranger(sandbox.requests)])
    # It sends that one only to OpenAI's own host.
    assert [{**body, "prompt_cache_key": None} for body in bodies[1]] == [
        {**body, "prompt_cache_key": None} for body in bodies[0]
    ]


def test_a_handoff(ask: Ask, proxy: Proxy, sandbox: Sandbox) -> None:
    result = ask("agents", "handoff", as_proxy(proxy))
    assert result["agent"] == "helper"
    assert result["text"].startswith("[sandbox] Done: transfer_to_helper answered")
    first, second = requests_of_a_stranger(sandbox.requests, None)
    assert (first["instructions"], second["instructions"]) == ("You are a parrot.", "You help parrots.")
    assert spoken(second) == ["use transfer_to_helper"]


def test_a_tool_of_llama_index(ask: Ask, proxy: Proxy, sandbox: Sandbox) -> None:
    assert ask("llama_index", "tools", as_proxy(proxy))["text"] == "got 1"
    requests_of_a_stranger(sandbox.requests)
