"""Defects that the load scripts found; tests/test_readme_scripts.py runs those scripts."""

import asyncio
import gc
import weakref

from mitmproxy.test import tflow

from codex_transform.errors import ApiError
from codex_transform.proxy.call import start_call


async def test_a_failed_call_is_freed_with_its_flow() -> None:
    """The exception that the call keeps has a traceback, whose frames refer to the flow."""
    flow = tflow.tflow()
    call = start_call(flow, "")

    def fail(flow: object) -> None:
        raise ApiError(502, f"no answer to {type(flow).__name__}")

    try:
        try:
            fail(flow)
        except ApiError as first:
            raise ApiError(504, "too late") from first
    except ApiError as error:
        call.set_error(error)
    assert call.error is not None
    assert (call.error.status, call.error.message) == (504, "too late")
    freed = weakref.ref(flow)
    del flow, call
    # Until the task yields once, its frame refers to the last exception.
    await asyncio.sleep(0)
    gc.collect()
    assert freed() is None
