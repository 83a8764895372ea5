"""Models and efforts that real OpenCodes request, configured by `codex-transform config`: as variants, or in names.

One server of each version answers all but the last test; `opencode run --variant` is in test_readme_commands.py.
"""

import json
from collections.abc import Callable, Iterator

import programs
import pytest
from support.opencode_server import Server, serving
from support.running import OpenCode, Proxy, conversation

from codex_transform.sandbox import Sandbox

# Only in the gate, because each test starts whole programs.
pytestmark = pytest.mark.gate

VERSIONS = [programs.OPENCODE, programs.OLD_OPENCODE]

# What the plugin shipped for older OpenCode: the effort is part of the model's name.
SHIPPED = '{"provider": {"openai": {"models": {"gpt-5.2-codex-xhigh": {"options": {"reasoningEffort": "xhigh"}}}}}}'


def configure(client: OpenCode) -> None:
    client.configure(SHIPPED)
    client.configured("--modern", "--models", "gpt-5.1-codex,gpt-6.1-terra")
    client.configured("--legacy", "--models", "gpt-6-sol,gpt-5.2")


@pytest.fixture(scope="module", params=VERSIONS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, quiet_proxy: Proxy
) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("opencode"), quiet_proxy, request.param, configure) as running:
        yield running


# Models that both versions know, and some that the old version knows only from the configuration.
@pytest.mark.parametrize(
    ("model", "variant", "sent", "effort"),
    [
        ("gpt-5.1-codex", "high", "gpt-5.1-codex", "high"),
        ("gpt-6.1-terra", "ultra", "gpt-6.1-terra", "ultra"),
        ("gpt-6.1-terra", None, "gpt-6.1-terra", "low"),  # the model's default
        ("gpt-6-sol-ultra", None, "gpt-6-sol", "ultra"),
        ("gpt-5.2-none", None, "gpt-5.2", "none"),
        ("gpt-5.2-codex-xhigh", None, "gpt-5.2-codex", "xhigh"),
    ],
)
def test_variants_and_legacy_names_set_the_effort_that_the_endpoint_gets(
    model: str, variant: str | None, sent: str, effort: str, server: Server, shared_sandbox: Sandbox
) -> None:
    shared_sandbox.forget()
    server.ask(server.session(), "say hello", model=model, variant=variant)
    asked = [(body["model"], body["reasoning"]["effort"]) for body in conversation(shared_sandbox)]
    assert asked == [(sent, effort)]


def test_a_model_that_codex_endpoints_lack_is_replaced(server: Server, shared_sandbox: Sandbox) -> None:
    shared_sandbox.forget()
    server.ask(server.session(), "say hello", model="gpt-5")
    assert conversation(shared_sandbox)[0]["model"] == "gpt-5.1"


def test_in_reverse_mode_opencode_needs_no_proxy_variable(
    opencode: Callable[..., OpenCode], proxy: Callable[..., Proxy], sandbox: Sandbox
) -> None:
    """And with CODEX_MODE=0, its prompt reaches the model."""
    running = proxy("--mode", f"reverse:{sandbox.url}", CODEX_MODE="0")
    client = opencode()
    client.configured("--models", "gpt-5.3-codex", "--reverse", f"{running.url}/v1")
    done = client.run("run", "-m", "openai/gpt-5.3-codex", "--variant", "xhigh", "say hello")
    assert done.returncode == 0, done.stderr
    assert "[sandbox]" in done.stdout
    (body,) = conversation(sandbox)
    assert (body["model"], body["reasoning"]["effort"]) == ("gpt-5.3-codex", "xhigh")
    assert "You are OpenCode" in json.dumps(body["input"])
