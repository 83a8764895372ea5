"""A name with an IPv6 and an IPv4 address, one of which never answers."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.running import mitmdump

from codex_transform.proxy.addons.happy_eyeballs import Info, is_ahead
from codex_transform.sandbox import Sandbox

HELLO = {"model": "gpt-5.1-codex", "input": "say hello", "stream": True}

# Stands in for a name server: this name has both kinds of address, IPv6 first.
RESOLVER = """
import socket
looked_up = socket.getaddrinfo
def getaddrinfo(host, port, *args, **kwargs):
    if host != "dual.test":
        return looked_up(host, port, *args, **kwargs)
    return [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
    ]
socket.getaddrinfo = getaddrinfo
"""

try:
    with socket.create_server(("::1", 0), family=socket.AF_INET6):
        pass
except OSError:  # a machine without IPv6 does not have the problem
    pytest.skip("there is no IPv6 here", allow_module_level=True)


@contextmanager
def black_hole(host: str, port: int = 0) -> Iterator[int]:
    """An address that never answers: its queue of connections is full, and none is accepted."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with ExitStack() as stack:
        hole = stack.enter_context(socket.socket(family))
        hole.bind((host, port))
        hole.listen(0)
        address = hole.getsockname()
        for _ in range(4):
            caller = stack.enter_context(socket.socket(family))
            caller.setblocking(False)
            caller.connect_ex(address)
        yield address[1]


@contextmanager
def listening(host: str) -> Iterator[int]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        yield server.getsockname()[1]


def info(host: str, port: int) -> Info:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return (family, socket.SOCK_STREAM, 6, "", (host, port))


@pytest.mark.parametrize(("lost", "good"), [("::1", "127.0.0.1"), ("127.0.0.1", "::1")])
async def test_the_address_that_answers_is_ahead(lost: str, good: str) -> None:
    with black_hole(lost) as nowhere, listening(good) as somewhere:
        assert await is_ahead(info(good, somewhere), info(lost, nowhere))
        assert not await is_ahead(info(lost, nowhere), info(good, somewhere))


async def test_an_address_that_refuses_is_not_waited_for() -> None:
    """mitmproxy itself then tries the other."""
    with listening("::1") as closed:
        pass
    with listening("127.0.0.1") as somewhere:
        assert not await is_ahead(info("127.0.0.1", somewhere), info("::1", closed))


def test_the_endpoint_is_reached_although_one_address_does_not_answer(tmp_path: Path, sandbox: Sandbox) -> None:
    port = urlsplit(sandbox.url).port
    assert port
    (tmp_path / "resolver.py").write_text(RESOLVER)
    more: dict[str, Any] = {"CODEX_BASE_URL": f"http://dual.test:{port}", "CODEX_CONNECT_TIMEOUT": "10"}
    with (
        black_hole("::1", port),
        mitmdump(tmp_path / "home", sandbox, "-s", str(tmp_path / "resolver.py"), **more) as proxy,
    ):
        for _ in range(2):
            status, _, body = proxy.send(HELLO)
            assert status == 200, body
        assert proxy.log.count("dual.test does not answer over IPv6: connecting to it over IPv4") == 1


def test_mitmproxys_own_local_address_is_kept(tmp_path: Path, sandbox: Sandbox) -> None:
    """The address is set by mitmproxy's own option."""
    port = urlsplit(sandbox.url).port
    (tmp_path / "resolver.py").write_text(RESOLVER)
    options = ("-s", str(tmp_path / "resolver.py"), "--set", "connect_addr=127.0.0.1")
    with mitmdump(tmp_path / "home", sandbox, *options, CODEX_BASE_URL=f"http://dual.test:{port}") as proxy:
        assert proxy.send(HELLO)[0] == 200
        assert "connecting to it over" not in proxy.log
