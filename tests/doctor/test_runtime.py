"""OpenCode's runtime, in the newest and the oldest tested version, behind the real proxy."""

import os
from collections.abc import Iterator
from pathlib import Path

import programs
import pytest
from support import needed
from support.running import Proxy, mitmdump

from codex_transform import sandbox as sandboxes
from codex_transform.doctor import runtime

VERSIONS = (programs.OPENCODE, programs.OLD_OPENCODE)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with (
        sandboxes.running() as endpoint,
        mitmdump(tmp_path_factory.mktemp("proxy") / "home", endpoint) as running,
    ):
        yield running


@pytest.fixture(params=VERSIONS)
def program(request: pytest.FixtureRequest) -> Path:
    return needed.opencode(request.param)


@pytest.fixture
def environ(tmp_path: Path, proxy: Proxy) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HTTPS_PROXY": proxy.url}


def test_the_version_is_read(program: Path, environ: dict[str, str]) -> None:
    version = runtime.version(program, environ)
    assert version in VERSIONS
    assert runtime.numbers(version) == tuple(map(int, str(version).split(".")))


def test_the_runtime_trusts_the_proxy_only_with_the_certificate(
    program: Path, proxy: Proxy, environ: dict[str, str]
) -> None:
    host = "api.openai.com"
    assert runtime.fetch(program, environ, host) == "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
    assert runtime.fetch(program, {**environ, "NODE_EXTRA_CA_CERTS": str(proxy.ca)}, host) is None


def test_https_proxy_in_lower_case_takes_precedence(program: Path, proxy: Proxy, environ: dict[str, str]) -> None:
    """As `doctor.terminal` says; nothing listens at that address, so the request fails."""
    both = {**environ, "https_proxy": "http://127.0.0.1:9", "NODE_EXTRA_CA_CERTS": str(proxy.ca)}
    assert runtime.fetch(program, both, "api.openai.com") == "ConnectionRefused"


def test_a_program_that_is_not_bun_is_reported(tmp_path: Path) -> None:
    with pytest.raises(runtime.NoRuntimeError):
        runtime.fetch(Path("/bin/echo"), {}, "api.openai.com")
    with pytest.raises(runtime.NoRuntimeError):
        runtime.fetch(tmp_path / "none", {}, "api.openai.com")
    assert runtime.version(tmp_path / "none", {}) is None


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("1.18.33", (1, 18, 33)), ("1.2", (1, 2, 0)), ("1.3.0-beta.1", (1, 3, 0)), ("local", ()), (None, ())],
)
def test_versions_as_numbers(version: str | None, numbers: tuple[int, ...]) -> None:
    assert runtime.numbers(version) == numbers
