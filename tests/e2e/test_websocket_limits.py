"""The limits of WebSockets on the real mitmdump: of time, of number, and of what is kept."""

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.running import Proxy, mitmdump
from support.waiting import eventually
from support.websocket import connected, unopened
from wsproto.events import CloseConnection

from codex_transform.sandbox import Sandbox

SHORT = """
from codex_transform.proxy.addons import websockets
from codex_transform.proxy.layers import websocket
"""


def shortened(folder: Path, line: str) -> tuple[str, str]:
    """Return the options of a mitmdump that loads a script with another limit."""
    script = folder / "limits.py"
    script.write_text(SHORT + line)
    return "-s", str(script)


def test_an_idle_connection_is_closed(tmp_path: Path, sandbox: Sandbox) -> None:
    limits = shortened(tmp_path, "websocket.IDLE_LIMIT = 0.4")
    with mitmdump(tmp_path, sandbox, *limits) as proxy, connected(proxy) as client:
        assert client.response(input="hello")
        assert client.closed().code == 1000


def test_a_connection_that_is_too_old_is_closed(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.misbehave("slow", times=1)
    limits = "websocket.AGE_LIMIT = 0.6; websocket.PING_INTERVAL = 0.2"
    with mitmdump(tmp_path, sandbox, *shortened(tmp_path, limits)) as proxy, connected(proxy) as client:
        assert client.response(input="hello"), "what has begun is finished"
        error = client.error()
        assert (error["status"], error["error"]["code"]) == (400, "websocket_connection_limit_reached")
        assert client.closed().code == 1001


def test_too_many_connections_are_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    limits = shortened(tmp_path, "websockets.MAX_CONNECTIONS = 2")
    with mitmdump(tmp_path, sandbox, *limits) as proxy, ExitStack() as stack:
        first = stack.enter_context(connected(proxy))
        stack.enter_context(connected(proxy))
        third = stack.enter_context(unopened(proxy))
        with pytest.raises(AssertionError, match="429"):
            third.open()
        first.raw(CloseConnection(code=1000))
        first.closed()
        stack.enter_context(connected(proxy))


COUNT = """
import gc, logging
from mitmproxy import http

class Count:
    def requestheaders(self, flow):
        if "count" in flow.request.headers:
            gc.collect()
            flows = sum(isinstance(each, http.HTTPFlow) for each in gc.get_objects())
            logging.getLogger("count").warning("there are %d flows", flows)

addons = [Count()]
"""


def test_a_closed_connection_leaves_nothing_behind(tmp_path: Path, sandbox: Sandbox) -> None:
    script = tmp_path / "count.py"
    script.write_text(COUNT)
    with mitmdump(tmp_path, sandbox, "-s", str(script)) as proxy:
        for _ in range(3):
            with connected(proxy) as client:
                for _ in range(3):
                    client.response(input="hello", store=False)
                client.raw(CloseConnection(code=1000))
                client.closed()
        body = {"model": "gpt-5.1", "input": "hello"}

        def few() -> bool:
            since = len(proxy.lines)
            proxy.send(body, count="1")
            return int(proxy.wait_for(r"there are (\d+) flows", since=since)[1]) <= 3

        assert eventually(few), proxy.log


def test_a_client_that_reads_nothing_stops_only_its_own_endpoint(quiet_proxy: Proxy, shared_sandbox: Sandbox) -> None:
    with connected(quiet_proxy, tls=False) as client:
        client.create(input="count to 300000")
        assert shared_sandbox.wait(lambda all_: bool(all_) and all_[0]["sent"] > 1_000_000)
        assert eventually(lambda: sent(shared_sandbox) == sent(shared_sandbox, after=0.4))
        assert sent(shared_sandbox) < 20_000_000
        assert not shared_sandbox.requests[0]["finished"]
        with connected(quiet_proxy) as other:
            assert other.response(input="hello")
        client.create(input="again")
        assert not eventually(lambda: len(shared_sandbox.requests) > 2, 0.2)
    assert shared_sandbox.wait(lambda all_: all_[0]["cancelled"])


def sent(sandbox: Sandbox, after: float = 0.0) -> int:
    """Return how many bytes of the first answer the endpoint has sent, after a moment."""
    threading.Event().wait(after)
    return int(sandbox.requests[0]["sent"])
