"""What the load scripts found; tests/test_readme_scripts.py runs them."""

import asyncio
import gc
import weakref

from mitmproxy.test import tflow

from codex_transform.errors import ApiError
from codex_transform.proxy.call import start_call


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
