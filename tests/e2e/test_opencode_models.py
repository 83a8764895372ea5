"""What `codex-transform config` writes, as real OpenCodes take it: today's, and two old ones with a strict schema."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import programs
import pytest
from running import ROOT, OpenCode, Proxy

from codex_transform import opencode_models
from codex_transform.sandbox import Sandbox

Make = Callable[..., OpenCode]

VERSIONS = [programs.OPENCODE, programs.OLD_OPENCODE]


def configured(client: OpenCode, *arguments: str) -> Path:
    """The file that the command writes in the home of this OpenCode."""
    done = subprocess.run(
        [sys.executable, "-m", "codex_transform", "config", "--yes", *arguments],
        cwd=client.project,
        env={"HOME": str(client.home), "PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return client.home / ".config" / "opencode" / "opencode.json"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("form", ["--modern", "--legacy"])
def test_opencode_lists_every_model(form: str, version: str, opencode: Make) -> None:
    client = opencode(version)
    configured(client, form)
    done = client.run("models", "openai")
    assert done.returncode == 0, done.stderr
    wanted = opencode_models.entries(opencode_models.choose(), legacy=form == "--legacy")
    assert {f"openai/{name}" for name in wanted} <= set(done.stdout.split())


def asked_for(sandbox: Sandbox, model: str) -> list[str]:
    """The efforts of the requests for this model that came with tools: the rest are titles."""
    bodies = [entry["body"] for entry in sandbox.requests if entry["body"].get("tools")]
    return [body["reasoning"]["effort"] for body in bodies if body["model"] == model]


@pytest.mark.parametrize("version", VERSIONS)
# One that both versions know by themselves, and one that the old one has from the configuration alone.
@pytest.mark.parametrize(("model", "effort"), [("gpt-5.1-codex", "high"), ("gpt-6.1-terra", "ultra")])
def test_a_variant_is_the_effort_that_the_endpoint_gets(
    model: str, effort: str, version: str, opencode: Make, quiet_proxy: Proxy, shared_sandbox: Sandbox
) -> None:
    client = opencode(version)
    configured(client, "--models", model)
    shared_sandbox.forget()
    done = client.through(quiet_proxy, "run", "-m", f"openai/{model}", "--variant", effort, "say hello")
    assert done.returncode == 0, done.stderr
    assert asked_for(shared_sandbox, model) == [effort]


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_variant_it_is_the_models_own_default(
    version: str, opencode: Make, quiet_proxy: Proxy, shared_sandbox: Sandbox
) -> None:
    client = opencode(version)
    configured(client, "--models", "gpt-6.1-terra")
    shared_sandbox.forget()
    done = client.through(quiet_proxy, "run", "-m", "openai/gpt-6.1-terra", "say hello")
    assert done.returncode == 0, done.stderr
    assert asked_for(shared_sandbox, "gpt-6.1-terra") == ["low"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("model", "effort"), [("gpt-5.2", "none"), ("gpt-6-sol", "ultra")])
def test_a_legacy_name_is_the_effort_that_the_endpoint_gets(
    model: str, effort: str, version: str, opencode: Make, quiet_proxy: Proxy, shared_sandbox: Sandbox
) -> None:
    client = opencode(version)
    configured(client, "--legacy", "--models", model)
    shared_sandbox.forget()
    done = client.through(quiet_proxy, "run", "-m", f"openai/{model}-{effort}", "say hello")
    assert done.returncode == 0, done.stderr
    assert asked_for(shared_sandbox, model) == [effort]


def test_in_reverse_mode_opencode_needs_no_proxy_variable(
    opencode: Make, proxy: Callable[..., Proxy], sandbox: Sandbox
) -> None:
    running = proxy("--mode", f"reverse:{sandbox.url}")
    client = opencode()
    configured(client, "--models", "gpt-5.3-codex", "--reverse", f"{running.url}/v1")
    done = client.run("run", "-m", "openai/gpt-5.3-codex", "--variant", "xhigh", "say hello")
    assert done.returncode == 0, done.stderr
    assert asked_for(sandbox, "gpt-5.3-codex") == ["xhigh"]


def test_what_opencode_reads_is_what_was_written(opencode: Make) -> None:
    """Nothing is dropped as unknown, and no limit of OpenCode's own is left under ours."""
    client = opencode()
    written = json.loads(configured(client).read_text())["provider"]["openai"]["models"]
    listing = client.home / "listing"
    with listing.open("w") as file:  # into a pipe OpenCode writes no more than the first 64 KiB
        environ = {"HOME": str(client.home), "PATH": os.environ["PATH"], "OPENAI_API_KEY": "dummy"}
        command = [client.program, "models", "openai", "--verbose"]
        subprocess.run(command, cwd=client.project, env=environ, stdout=file, timeout=60, check=True)
    text, decoder, position, facts = listing.read_text(), json.JSONDecoder(), 0, {}
    while (start := text.find("\n{", position)) >= 0:
        model, position = decoder.raw_decode(text, start + 1)
        facts[model["id"]] = model
    for name, entry in written.items():
        known = facts[name]
        assert known["name"] == entry["name"]
        assert known["limit"] == entry["limit"]
        assert known["options"] == entry["options"]
        assert known["capabilities"]["reasoning"] is True
        assert set(entry["variants"]) <= set(known["variants"])
