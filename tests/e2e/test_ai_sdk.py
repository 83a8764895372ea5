"""The AI SDK, which OpenCode is built on, against every fault: its own parser must accept the answers.

One node process runs all prompts at once (`ai_sdk/driver.mjs`): a greeting where an error is expected, else a prompt
that leads to a tool call and a closing message. It uses reverse mode, because Node's fetch ignores proxies.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import programs
import pytest
from support.needed import skip_or_fail
from support.running import Proxy, mitmdump

from codex_transform.sandbox import FAULTS, Sandbox

# Only in the gate, because each test starts whole programs.
pytestmark = pytest.mark.gate

HERE = Path(__file__).with_name("ai_sdk")
CACHED = programs.CACHE / "ai-sdk"

# The version in OpenCode 1.18, and the newest; with the oldest Node that each was seen to run on.
GENERATIONS = {"6": 18, "7": 20}

HELLO, WRITE = "say hello", "write hello world to test.txt"

# Faults that never end, or take long with their default number; one without a final event, whose answer is whole but
# has no token counts (see test_attempts); and one that omits all but the deltas of a message, and so the tool call.
LEFT_OUT = frozenset({"hang", "hang-before-head", "half-head-hang", "flood", "slow", "byte-by-byte", "no-final-event"})
LEFT_OUT |= {"only-deltas"}
NAMES = [name for name in FAULTS if name not in LEFT_OUT]

# Faults that this parser is strict about: none may show.
PICKY = [
    "response-done",
    "empty-output",
    "null-output",
    "missing-output",
    "thin-terminal",
    "filled-output",
    "rate-limit-events",
    "unknown-events",
    "no-sequence-number",
    "no-item-id",
    "no-output-index",
    "bare-events",
    "bare-events+response-done",
    "no-type",
    "no-event-lines",
    "many-lines",
    "cr",
    "bom",
    "comments",
    "done-mark",
    "no-final-blank",
    "other-model",
    "json",
    "json-as-stream",
    "plain-type",
    "json-type",
    "gzip",
    "deflate-raw",
    "br",
    "zstd",
    # Events that relays omit.
    "only-final",
    "only-items",
    "no-created",
    "no-item-added",
    "no-part-events",
    "no-text-done",
    "no-item-done",
    "no-endings",
    "no-deltas",
    "rotating-ids",
    "rotating-ids-filled",
    "bare-openings",
    "chat-usage",
    "thin",
]

# The expected errors: HTTP status, whether to retry, and words of the message. In the middle of a stream there is no
# status.
FAILING = {
    "no-terminal": (502, True, "complete"),
    "cut": (502, True, "complete"),
    "cut-mid-event": (502, True, "complete"),
    "gzip-truncated": (502, True, "complete"),
    "error-event": (500, True, "The sandbox broke"),
    "error-event-nested": (500, True, "Overloaded"),
    "failed": (500, True, "The sandbox broke"),
    "failed-rate-limit": (429, True, "Please try again in 1.5s"),
    "failed-context": (400, False, "context window"),
    "error-event@0": (500, True, "The sandbox broke"),
    "empty": (502, True, "empty"),
    "html-200": (502, True, "web page"),
    "html-403": (403, False, "403"),
    "unauthorized": (401, False, "codex_api_key"),
    "usage-limit-404": (429, True, "usage limit"),
    "rate-limit": (429, True, "Please try again in 1.5s"),
    "detail-503": (503, True, "No upstream is available"),
    "plain-500": (500, True, "Internal Server Error"),
}

# The SDK's names for the reasons of an answer that ends too early.
INCOMPLETE = {"incomplete": "length", "incomplete-filter": "content-filter"}

Outcome = dict[str, Any]
Outcomes = dict[tuple[str | None, bool, str], Outcome]


def prompts(name: str | None) -> tuple[str, ...]:
    """Return the prompts for an endpoint with this fault."""
    if name is None:
        return (HELLO, WRITE)
    return (HELLO,) if name in {*FAILING, *INCOMPLETE} else (WRITE,)


def unavailable(why: str) -> NoReturn:
    """Skip a test that needs the AI SDK with the command that installs it, or fail it in CI."""
    here, there = HERE.relative_to(programs.CACHE.parent), CACHED.relative_to(programs.CACHE.parent)
    skip_or_fail(f"{why}: mkdir -p {there} && cp {here}/package.json {there} && (cd {there} && npm install)")


@pytest.fixture(scope="module")
def driver() -> Path:
    """Return the driver in the folder of the modules that it needs, which npm installs once."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        unavailable("the AI SDK needs node and npm")
    wanted = (HERE / "package.json").read_bytes()
    if not (CACHED / "package.json").is_file() or (CACHED / "package.json").read_bytes() != wanted:
        install(npm)
    return Path(shutil.copy(HERE / "driver.mjs", CACHED))


def install(npm: str) -> None:
    """Install into another folder, and rename it when it is complete."""
    programs.CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=programs.CACHE) as folder:
        new = Path(folder) / "new"
        new.mkdir()
        shutil.copy(HERE / "package.json", new)
        command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
        command += ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=new)
        except subprocess.TimeoutExpired:
            unavailable("npm did not get the AI SDK in time")
        if done.returncode:
            unavailable(f"npm did not get the AI SDK ({done.stderr.strip()[-300:]})")
        # Another test run may have done the same, which is as good.
        with suppress(OSError):
            if CACHED.exists():
                CACHED.rename(Path(folder) / "old")
            new.rename(CACHED)


@pytest.fixture(scope="module")
def reverse_proxy(tmp_path_factory: pytest.TempPathFactory, shared_sandbox: Sandbox) -> Iterator[Proxy]:
    home = tmp_path_factory.mktemp("reverse") / "home"
    with mitmdump(home, shared_sandbox, "--mode", f"reverse:{shared_sandbox.url}") as running:
        yield running


@pytest.fixture(scope="module", params=GENERATIONS)
def outcomes(request: pytest.FixtureRequest, driver: Path, reverse_proxy: Proxy) -> Outcomes:
    """The outcome for each fault, with and without streaming."""
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(node.removeprefix("v").split(".")[0]) < GENERATIONS[request.param]:
        pytest.skip(f"the AI SDK {request.param} does not run on Node {node}")
    scenarios = [
        {"misbehave": name, "stream": streaming, "prompt": prompt}
        for name in dict.fromkeys([None, *PICKY, *FAILING, *NAMES])
        for streaming in (True, False)
        for prompt in prompts(name)
    ]
    done = subprocess.run(
        ["node", driver],
        input=json.dumps({"generation": request.param, "baseURL": f"{reverse_proxy.url}/v1", "scenarios": scenarios}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {
        (outcome["misbehave"], outcome["stream"], outcome["prompt"]): outcome for outcome in json.loads(done.stdout)
    }


def steps(outcome: Outcome) -> list[Any]:
    """Return the model's texts and calls without the input tokens, whose number depends on random ids."""
    return [{name: value for name, value in step.items() if name != "input"} for step in outcome["steps"]]


@pytest.mark.parametrize("streaming", [True, False])
def test_a_tool_round_trip(outcomes: Outcomes, streaming: bool) -> None:
    outcome = outcomes[None, streaming, WRITE]
    assert outcome["errors"] == []
    first, second = outcome["steps"]
    assert first["calls"] == [{"name": "write", "input": {"filePath": "test.txt", "content": "hello world\n"}}]
    assert first["results"] == ["wrote test.txt"]
    assert first["finish"] == "tool-calls"
    assert outcome["text"] == second["text"]
    assert outcome["text"].startswith("[sandbox] Done")
    assert second["finish"] == outcome["finish"] == "stop"
    for step in (first, second):
        assert "no thinking here" in step["reasoning"]
        assert step["model"] == "gpt-5-codex"
        assert step["input"] > 0
        assert step["output"] > 0


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("name", PICKY)
def test_repaired_faults_do_not_show(outcomes: Outcomes, name: str, streaming: bool) -> None:
    for prompt in prompts(name):
        good, outcome = outcomes[None, streaming, prompt], outcomes[name, streaming, prompt]
        assert outcome["errors"] == []
        assert steps(outcome) == steps(good)
        assert outcome["text"] == good["text"]
        assert outcome["finish"] == good["finish"]


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("name", FAILING)
def test_other_faults_are_errors_with_the_right_status_and_message(
    outcomes: Outcomes, name: str, streaming: bool
) -> None:
    status, retryable, says = FAILING[name]
    for prompt in prompts(name):
        outcome = outcomes[name, streaming, prompt]
        (error,) = outcome["errors"]
        assert says in error["message"]
        assert "<" not in error["message"]
        assert outcome["finish"] == "error"
        if error["name"] == "AI_APICallError":
            assert (error["status"], error["retryable"]) == (status, retryable)
        else:
            assert streaming


@pytest.mark.parametrize("streaming", [True, False])
def test_a_response_that_ends_early_has_its_reason(outcomes: Outcomes, streaming: bool) -> None:
    for name, finish in INCOMPLETE.items():
        outcome = outcomes[name, streaming, HELLO]
        assert outcome["errors"] == []
        assert outcome["finish"] == finish
        assert outcome["text"] == outcomes[None, streaming, HELLO]["text"]


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in INCOMPLETE])
def test_every_fault_gives_a_whole_answer_or_an_error(outcomes: Outcomes, name: str, streaming: bool) -> None:
    """Half an answer is never taken for a whole one, and no text comes twice."""
    for prompt in prompts(name):
        good, outcome = outcomes[None, streaming, prompt], outcomes[name, streaming, prompt]
        if outcome["errors"]:
            assert outcome["finish"] == "error"
            assert good["text"].startswith(outcome["text"])
        else:
            assert steps(outcome) == steps(good)
            assert outcome["text"] == good["text"]
