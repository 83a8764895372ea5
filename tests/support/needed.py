"""Programs that tests need: without one a test is skipped with the command that installs it; with CI=true it fails."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import programs
import pytest


def skip_or_fail(why: str) -> NoReturn:
    """Skip a test that cannot run here, or fail it in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@contextmanager
def install_lock() -> Iterator[None]:
    """Hold a lock, so that no other process of the tests installs programs meanwhile."""
    programs.CACHE.mkdir(exist_ok=True)
    with (programs.CACHE / "installing.lock").open("w") as file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def opencode(version: str = programs.OPENCODE) -> Path:
    """Return the program of the real OpenCode."""
    program = programs.find_opencode(version)
    return program or skip_or_fail(f"OpenCode {version} is not installed: {programs.install_command(version)}")


def opencode_2() -> Path:
    """Return the program of the OpenCode 2 preview."""
    program = programs.find_opencode_2()
    return program or skip_or_fail(f"OpenCode 2 is not installed: {programs.opencode_2_install_command()}")


def node() -> Path:
    """Return a Node that reads HTTPS_PROXY; npm installs one if the machine's own is too old."""
    with install_lock():
        found = programs.install_node()
    return found or skip_or_fail(f"no installed Node is new enough: {programs.node_install_command()}")
