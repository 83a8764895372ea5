"""The Codex CLI through the proxy: its requests arrive unchanged, and it works as without a proxy.

It runs in two homes, in one without the proxy: the endpoint receives the same requests, except for ids and times.
"""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import needed, real_clients
from support.running import Proxy

from codex_transform import sandbox as sandboxes
from codex_transform.sandbox import Sandbox

# Each test starts whole programs, and the first one installs them.
pytestmark = pytest.mark.gate

NEWEST, OLD = "0.171.0", "0.111.0"

# Models whose tools are in the field `tools`, and one whose tools are in an item of the input.
KINDS = [(OLD, "gpt-5.2-codex"), (NEWEST, "gpt-5.5"), (NEWEST, "gpt-6.2-sol")]

# What differs in every run: ids, times, ports, the home folder.
_VARYING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|_sandbox_[0-9a-f]{32}|\b[0-9a-f]{6}\b|\d{10,}|(?<=seconds\":)[\d.e-]+"
    r"|Wall time:? [\d.]+|\d{4}-\d\d-\d\dT[\d:.]+Z|/\S*/(?:direct|proxied)(?=/)"
)
# Headers that differ from hop to hop, and the body's size.
_HOP = {"accept-encoding", "authorization", "connection", "content-length", "host"}

Start = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def endpoints(shared_sandbox: Sandbox) -> Iterator[tuple[Sandbox, Sandbox]]:
    """An endpoint that is used directly, and the one behind the proxy."""
    with sandboxes.running() as direct:
        yield direct, shared_sandbox


@pytest.fixture
def codex(tmp_path: Path) -> Start:
    """Runs `codex exec` in the home of that name."""

    def run(
        version: str, name: str, base_url: str, key: str, *arguments: str, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        home, project = tmp_path / name / "home", tmp_path / name / "project"
        for folder in (home / ".codex", project):
            folder.mkdir(parents=True, exist_ok=True)
        provider = f'{{name="tried", base_url="{base_url}", env_key="TRIED_KEY", wire_api="responses"}}'
        settings = ["-c", f"model_providers.tried={provider}", "-c", 'model_provider="tried"'] if base_url else []
        settings += ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
        node = needed.node().parent
        done = subprocess.run(
            [real_clients.codex(version), "exec", *settings, *arguments],
            cwd=project,
            env={"PATH": f"{node}{os.pathsep}{os.environ['PATH']}", "HOME": str(home), "TRIED_KEY": key, **environ},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


def stable(value: Any) -> Any:
    """A value without what differs in every run."""
    if isinstance(value, dict):
        return {name: stable(each) for name, each in value.items() if name != "encrypted_content"}
    if isinstance(value, list):
        return [stable(each) for each in value]
    return _VARYING.sub("*", value) if isinstance(value, str) else value


def fields(request: dict[str, Any]) -> dict[str, Any]:
    """The headers of a request without those of a single hop."""
    return dict(stable({name: value for name, value in request["headers"].items() if name not in _HOP}))


def posts(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The requests for responses, all of which the endpoint has accepted."""
    requests = [request for request in sandbox.requests if request["method"] == "POST"]
    assert [request["status"] for request in requests] == [200] * len(requests)
    return requests


@pytest.mark.parametrize(("version", "model"), KINDS)
def test_requests_are_the_same_as_without_a_proxy(
    version: str,
    model: str,
    endpoints: tuple[Sandbox, Sandbox],
    reverse_proxy: Proxy,
    codex: Start,
    tmp_path: Path,
) -> None:
    direct, behind = endpoints
    for name, endpoint, base_url, key in (
        ("direct", direct, f"{direct.url}/backend-api/codex", direct.key),
        ("proxied", behind, f"{reverse_proxy.url}/v1", real_clients.KEY),
    ):
        endpoint.forget()
        arguments = [version, name, base_url, key, "-m", model]
        assert "[sandbox] Done" in codex(*arguments, "write hello world to test.txt").stdout
        assert (tmp_path / name / "project" / "test.txt").read_text() == "hello world\n"
        assert "You said “say hello”" in codex(*arguments, "resume", "--last", "say hello").stdout

    for sent, received in zip(posts(direct), posts(behind), strict=True):
        assert stable(received["body"]) == stable(sent["body"])
        assert fields(received) == fields(sent)
    first, second, third = posts(behind)
    headers = first["headers"]
    assert headers["originator"] == "codex_exec"
    assert version in headers["user-agent"]
    assert "x-codex-turn-metadata" in headers
    assert "openai-beta" not in headers
    assert "OpenCode" not in str(first["body"])
    # Nothing of its conversation is lost or renamed.
    assert len({request["body"]["prompt_cache_key"] for request in (first, second, third)}) == 1
    assert second["body"]["input"][: len(first["body"]["input"])] == first["body"]["input"]
    assert any(item["type"] in ("custom_tool_call", "function_call") for item in third["body"]["input"])
    if version == NEWEST:
        assert all(item["id"] for item in first["body"]["input"] if item["type"] == "message")


@pytest.mark.parametrize(("version", "model"), KINDS)
def test_requests_to_openais_host_are_intercepted(
    version: str, model: str, proxy: Proxy, sandbox: Sandbox, codex: Start
) -> None:
    """With its own provider it sends requests to OpenAI's host, and tries a WebSocket first."""
    environ = {**real_clients.as_proxy(proxy), "CODEX_API_KEY": real_clients.KEY}
    done = codex(version, "own", "", "", "-m", model, "write hello world to test.txt", **environ)
    assert "[sandbox] Done" in done.stdout
    assert len(posts(sandbox)) == 2
    for request in posts(sandbox):
        headers = request["headers"]
        assert (headers["originator"], headers["version"]) == ("codex_exec", version)
        assert headers["user-agent"].startswith(f"codex_exec/{version} ")
        assert "x-codex-turn-metadata" in headers
        assert "OpenCode" not in str(request["body"])


def test_a_compacted_history_continues(endpoints: tuple[Sandbox, Sandbox], reverse_proxy: Proxy, codex: Start) -> None:
    _, behind = endpoints
    behind.forget()
    # Codex expects a provider of that name to compact histories.
    arguments = [NEWEST, "proxied", f"{reverse_proxy.url}/v1", real_clients.KEY, "-m", "gpt-6.2-sol"]
    arguments += ["-c", 'model_providers.tried.name="OpenAI"', "-c", "model_auto_compact_token_limit=1000"]
    codex(*arguments, "say hello")
    codex(*arguments, "resume", "--last", "say hello again")
    inputs = [request["body"]["input"] for request in posts(behind)]
    assert [each[-1]["type"] for each in inputs].count("compaction_trigger") >= 1
    assert "compaction" in [item["type"] for item in inputs[-1]]
