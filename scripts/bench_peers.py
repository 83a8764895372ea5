"""Other gateways between a client and an endpoint of the Responses API, installed as their users install them.

Each has an environment of its own below `.cache`. They are large, so the benchmark installs none of them by itself.
Each runs with an empty home and on a free port; proxy variables that lead nowhere keep it off the network.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import environment
import processes
import programs
from bench_bodies import MODEL
from bench_client import BenchError, Target

# The client's key for the gateway, and the gateway's key for the endpoint.
_KEY = "sk-dummy-of-the-benchmark"
_START_TIMEOUT = 120.0  # seconds


class Peer(NamedTuple):
    """A gateway from PyPI: its name, and how it is installed and started.

    `requirement` is what pip installs, and `program` the command to start. `config` returns the configuration for an
    endpoint's base URL. `options` and `variables` are added to the command line and to the environment. `header` is a
    request header that it forwards.
    """

    name: str
    version: str
    requirement: str
    program: str
    config: Callable[[str], dict[str, Any]]
    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = {}
    header: str = "x-bench"

    @property
    def venv(self) -> Path:
        """The environment that it is installed in, if it is."""
        return programs.CACHE / f"{self.name}-{self.version}"

    @property
    def path(self) -> Path:
        """The program, if it is installed."""
        return environment.venv_program(self.venv, self.program)

    @property
    def install_command(self) -> str:
        """The command that installs it there."""
        venv = self.venv.relative_to(programs.CACHE.parent)
        python = environment.venv_python(venv)
        return f"python3 -m venv {venv} && {python} -m pip install '{self.requirement}=={self.version}'"


def _litellm(url: str) -> dict[str, Any]:
    upstream = {"model": f"openai/{MODEL}", "api_base": url, "api_key": _KEY}
    return {
        "model_list": [{"model_name": MODEL, "litellm_params": upstream}],
        "general_settings": {"forward_client_headers_to_llm_api": True},
    }


def _llm_rosetta(url: str) -> dict[str, Any]:
    return {
        "providers": {"codex": {"type": "openai_responses", "api_key": _KEY, "base_url": url}},
        "models": {MODEL: "codex"},
        "server": {"api_keys": [{"key": _KEY}], "open_on_no_keys": True},
    }


PEERS = (
    Peer(
        "litellm",
        "1.108.7",
        "litellm[proxy]",
        "litellm",
        _litellm,
        ("--telemetry", "False"),
        # Without the second variable LiteLLM first downloads a list of prices.
        {"LITELLM_MASTER_KEY": _KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    ),
    Peer(
        "llm-rosetta",
        "0.13.0",
        "llm-rosetta[gateway]",
        "llm-rosetta-gateway",
        _llm_rosetta,
        ("--no-banner", "--log-level", "warning"),
        header="x-request-id",
    ),
)
"""Gateways that OpenCode can use in place of the endpoint. Portkey's fails on each streamed response."""


@contextmanager
def running(peer: Peer, folder: Path, endpoint_port: int) -> Iterator[Target]:
    """Yield a running gateway that forwards to the endpoint, with its home in `folder`. Raises BenchError."""
    home = folder / peer.name
    no_network = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    environ = processes.isolated_environ(home, **no_network, **peer.variables)
    config = home / "config.json"
    config.write_text(json.dumps(peer.config(f"http://127.0.0.1:{endpoint_port}/v1")), "utf-8")
    port = _free_port()
    # Through its Python, because the script's first line contains a path, which is wrong if the folder was moved.
    command = [
        str(environment.venv_python(peer.venv)),
        str(peer.path),
        "--config",
        str(config),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        *peer.options,
    ]
    log = home / "log"
    deadline = time.monotonic() + _START_TIMEOUT
    with log.open("wb") as output, processes.running(command, environ, home, output) as process:
        while not _is_listening(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{peer.name} did not start:\n{log.read_text('utf-8', 'replace')}")
            time.sleep(0.05)
        yield Target(peer.name, port, "/v1/responses", process.pid, peer.header)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
