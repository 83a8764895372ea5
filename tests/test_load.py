"""Short forms of the load scripts, and what they found."""

import asyncio
import gc
import re
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
from mitmproxy.test import tflow

from codex_transform.errors import ApiError
from codex_transform.proxy.call import start_call

# Only in the gate, because each test starts whole programs.
pytestmark = pytest.mark.gate

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, SCRIPTS / script, *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="`ps` tells how much memory the proxy has")
def test_many_streams_at_once_are_whole() -> None:
    says = run("load.py", "--streams", "150", "--events", "20")
    assert re.search(r"^ +30 +30 ", says, re.MULTILINE)
    assert re.search(r"^ +150 +150 ", says, re.MULTILINE)


@pytest.mark.skipif(sys.platform == "win32", reason="`ps` tells how much memory the proxy has")
def test_nothing_grows_while_requests_come_and_fail() -> None:
    says = run("soak.py", "--requests", "600")
    assert re.search(r"^ +600 +570 +30 ", says, re.MULTILINE)


async def test_a_failed_call_goes_with_its_flow() -> None:
    """The exception that tells of the failure was raised where the flow was at hand."""
    flow = tflow.tflow()
    call = start_call(flow, "")

    def fail(of: object) -> None:
        raise ApiError(502, f"no answer to {type(of).__name__}")

    try:
        try:
            fail(flow)
        except ApiError as first:
            raise ApiError(504, "too late") from first
    except ApiError as error:
        call.set_error(error)
    assert call.error is not None
    assert (call.error.status, call.error.message) == (504, "too late")
    kept = weakref.ref(flow)
    del flow, call
    # Until the task has had its turn, its frame holds what was raised last.
    await asyncio.sleep(0)
    gc.collect()
    assert kept() is None
