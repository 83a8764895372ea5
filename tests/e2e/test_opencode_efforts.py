"""Efforts that real OpenCodes request, configured by `codex-transform config`: as variants, or in the models' names."""

from collections.abc import Callable

import programs
import pytest
from support.running import OpenCode, Proxy, conversation

from codex_transform.sandbox import Sandbox

# Only in the gate, because each test starts whole programs.
pytestmark = pytest.mark.gate

Make = Callable[..., OpenCode]

VERSIONS = [programs.OPENCODE, programs.OLD_OPENCODE]


def asked_for(sandbox: Sandbox, model: str) -> list[str]:
    """Return the efforts in the requests of a conversation with this model."""
    return [body["reasoning"]["effort"] for body in conversation(sandbox) if body["model"] == model]


# A model that both versions know, and one that the old version knows only from the configuration.
@pytest.mark.parametrize(
    ("version", "model", "effort"),
    [
        (programs.OPENCODE, "gpt-5.1-codex", "high"),
        (programs.OLD_OPENCODE, "gpt-5.1-codex", "high"),
        (programs.OLD_OPENCODE, "gpt-6.1-terra", "ultra"),
    ],
)
def test_a_variant_sets_the_effort_that_the_endpoint_gets(
    model: str, effort: str, version: str, opencode: Make, quiet_proxy: Proxy, shared_sandbox: Sandbox
) -> None:
    client = opencode(version)
    client.configured("--models", model)
    shared_sandbox.forget()
    done = client.through(quiet_proxy, "run", "-m", f"openai/{model}", "--variant", effort, "say hello")
    assert done.returncode == 0, done.stderr
    assert asked_for(shared_sandbox, model) == [effort]


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_variant_the_models_default_effort_is_sent(
    version: str, opencode: Make, quiet_proxy: Proxy, shared_sandbox: Sandbox
) -> None:
    client = opencode(version)
    client.configured("--models", "gpt-6.1-terra")
    shared_sandbox.forget()
    done = client.through(quiet_proxy, "run", "-m", "openai/gpt-6.1-terra", "say hello")
    assert done.returncode == 0, done.stderr
    assert asked_for(shared_sandbox, "gpt-6.1-terra") == ["low"]


@pytest.mark.parametrize(
    ("version", "model", "effort"),
    [
        (programs.OPENCODE, "gpt-6-sol", "ultra"),
        (programs.OLD_OPENCODE, "gpt-6-sol", "ultra"),
        (programs.OLD_OPENCODE, "gpt-5.2", "none"),
    ],
)
def test_a_legacy_name_sets_the_effort_that_the_endpoint_gets(
    model: str, effort: str, version: str, opencode: Make, quiet_proxy: Proxy, shared_sandbox: Sandbox
) -> None:
    client = opencode(version)
    client.configured("--legacy", "--models", model)
    shared_sandbox.forget()
    done = client.through(quiet_proxy, "run", "-m", f"openai/{model}-{effort}", "say hello")
    assert done.returncode == 0, done.stderr
    assert asked_for(shared_sandbox, model) == [effort]


def test_in_reverse_mode_opencode_needs_no_proxy_variable(
    opencode: Make, proxy: Callable[..., Proxy], sandbox: Sandbox
) -> None:
    running = proxy("--mode", f"reverse:{sandbox.url}")
    client = opencode()
    client.configured("--models", "gpt-5.3-codex", "--reverse", f"{running.url}/v1")
    done = client.run("run", "-m", "openai/gpt-5.3-codex", "--variant", "xhigh", "say hello")
    assert done.returncode == 0, done.stderr
    assert asked_for(sandbox, "gpt-5.3-codex") == ["xhigh"]
