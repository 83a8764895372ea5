"""Other programs that stand between a client and an endpoint of the Responses API, as people install them.

Each lies in an environment of its own below `.cache` and is never installed by the benchmark: they are large. Each gets
an empty home, a free port of this machine, and a proxy that is not there for whatever it wants from elsewhere.
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

# The client's key, which is the one that the programs ask for, and the one for the endpoint.
_KEY = "sk-dummy-of-the-benchmark"
_PATIENCE = 120.0  # seconds until one must listen


class Peer(NamedTuple):
    """A program of PyPI: what it is called, how it is installed and started.

    `config` makes its configuration from the endpoint's base URL, `options` go behind the file's name and the port's,
    `header` is one that it hands on to the endpoint.
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
        """Where it is installed, if it is."""
        return programs.CACHE / f"{self.name}-{self.version}"

    @property
    def path(self) -> Path:
        """The program."""
        return environment.venv_program(self.venv, self.program)

    @property
    def install_command(self) -> str:
        """What a person types to install it there."""
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
        # Without it LiteLLM begins by fetching a list of prices.
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
"""What OpenCode can be pointed at in place of the endpoint. Portkey's gateway fails on each streamed response."""


@contextmanager
def running(peer: Peer, folder: Path, port: int) -> Iterator[Target]:
    """A peer that leads to the endpoint at `port`, with its home below `folder`."""
    home = folder / peer.name
    nowhere = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    environ = processes.isolated_environ(home, **nowhere, **peer.variables)
    config = home / "config.json"
    config.write_text(json.dumps(peer.config(f"http://127.0.0.1:{port}/v1")), "utf-8")
    own = _free_port()
    # By its Python: the first line of the script names the folder that it was installed in, which may have moved.
    command = [
        str(environment.venv_python(peer.venv)),
        str(peer.path),
        "--config",
        str(config),
        "--host",
        "127.0.0.1",
        "--port",
        str(own),
        *peer.options,
    ]
    log = home / "log"
    deadline = time.monotonic() + _PATIENCE
    with log.open("wb") as output, processes.running(command, environ, home, output) as process:
        while not _listens(own):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{peer.name} did not start:\n{log.read_text('utf-8', 'replace')}")
            time.sleep(0.05)
        yield Target(peer.name, own, "/v1/responses", process.pid, peer.header)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
