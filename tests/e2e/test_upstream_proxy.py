"""An upstream proxy: the message if it is at fault, and that its password is saved nowhere."""

import base64
import socket
from pathlib import Path
from typing import NamedTuple

import pytest
from support.ports import reserved
from support.running import mitmdump
from support.scripted import Scripted, scripted

pytestmark = [pytest.mark.gate, pytest.mark.mitmproxy]

HELLO = {"model": "gpt-5-codex", "input": "say hello", "stream": True}
PASSWORD = "of-the-other-proxy"


class Elsewhere(NamedTuple):
    """An endpoint that is never reached."""

    url: str = "https://endpoint.example"
    key: str = "sk-0123456789abcdef"


def error(answer: tuple[int, object, bytes]) -> str:
    assert answer[0] == 502
    assert b"upstream_proxy_unreachable" in answer[2]
    return answer[2].decode()


def test_a_dead_upstream_proxy_is_an_error_that_names_it(tmp_path: Path) -> None:
    with reserved() as port, mitmdump(tmp_path, Elsewhere(), "--mode", f"upstream:http://127.0.0.1:{port}") as proxy:
        says = error(proxy.send(HELLO))
        assert f"the upstream proxy 127.0.0.1:{port}" in says
        assert "codex_base_url" not in says


@pytest.mark.parametrize(
    ("status", "advice"), [("407 Proxy Authentication Required", "--upstream-auth"), ("403 Forbidden", "Ask whoever")]
)
def test_an_upstream_proxy_that_refuses_is_an_error_that_names_it(tmp_path: Path, status: str, advice: str) -> None:
    asked: list[bytes] = []

    def refuse(_: Scripted, client: socket.socket, __: int) -> None:
        asked.append(client.recv(65536))
        client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    flows = tmp_path / "flows"
    with scripted(refuse) as other:
        options = ("--mode", f"upstream:{other.url}", "--upstream-auth", f"me:{PASSWORD}", "-w", str(flows))
        with mitmdump(tmp_path, Elsewhere(), *options) as proxy:
            says = error(proxy.send(HELLO))
    assert f"127.0.0.1:{other.port} does not connect to endpoint.example: {status}" in says
    assert advice in says
    assert all(request.startswith(b"CONNECT endpoint.example:443 ") for request in asked)


def test_passwords_of_proxies_are_in_no_flow_file(tmp_path: Path) -> None:
    """Neither the client's nor that for the upstream proxy; both proxies get theirs."""
    encoded = base64.b64encode(f"me:{PASSWORD}".encode())

    def answer(other: Scripted, client: socket.socket, _: int) -> None:
        other.requests.append(client.recv(65536))
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    flows, har = tmp_path / "flows", tmp_path / "flows.har"
    with scripted(answer) as other:
        options = ["--mode", f"upstream:{other.url}", "--upstream-auth", f"me:{PASSWORD}"]
        options += ["--proxyauth", f"me:{PASSWORD}", "-w", str(flows), "--set", f"hardump={har}"]
        with mitmdump(tmp_path, Elsewhere(), *options) as proxy:
            own = {"Proxy-Authorization": f"Basic {encoded.decode()}"}
            assert proxy.send({}, path="/v1/models", method="GET", **own)[0] == 200
            assert proxy.send({}, path="/v1/models", method="GET")[0] == 407
    assert encoded in other.requests[0]
    for file in (flows, har):
        kept = file.read_bytes()
        assert b"/v1/models" in kept
        assert PASSWORD.encode() not in kept
        assert encoded not in kept
