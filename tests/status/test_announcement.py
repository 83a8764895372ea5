"""How the command finds proxies: by files whose proxies answer, are gone, or are something else by now."""

import asyncio
import json
import socket
import stat
from pathlib import Path

from pydantic import TypeAdapter
from support.ports import reserved

from codex_transform.proxy.admin_listener import AdminListener, Page, json_page
from codex_transform.status.announcement import announce
from codex_transform.status.discovery import running_proxies
from codex_transform.status.facts import ProxyFacts


def found(folder: Path) -> list[int]:
    return [facts.pid for facts in running_proxies(folder)]


async def test_who_has_the_token_is_answered(tmp_path: Path) -> None:
    async def page() -> Page:
        # A newer release says more, and one thing less.
        return json_page(200, {"version": "9", "pid": 7, "uptime": 1.5, "news": [1]})

    listener = AdminListener("127.0.0.1", 0, {"/status": page}, token="right")
    address = await listener.start()
    assert address
    port = int(address.rpartition(":")[2])
    file = announce(tmp_path, port, "right")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    other = announce(tmp_path, port, "wrong")
    assert await asyncio.to_thread(found, tmp_path) == [7]
    assert other.exists(), "somebody answers there"
    listener.close()


def test_files_of_what_is_gone_are_removed(tmp_path: Path) -> None:
    assert found(tmp_path / "nowhere") == []
    with reserved() as port:
        gone = announce(tmp_path, port, "x")
        elsewhere = announce(tmp_path, port, "x")
        elsewhere.write_text(json.dumps({"machine": "another-container", "port": port, "token": "x"}))
        (tmp_path / "damaged.json").write_text("{")
        assert found(tmp_path) == []
    assert not gone.exists()
    assert elsewhere.exists(), "of the machine that it names, nothing is known here"


def test_something_else_that_answers_is_no_proxy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        announce(tmp_path, server.getsockname()[1], "x")

        async def both() -> list[int]:
            asking = asyncio.create_task(asyncio.to_thread(found, tmp_path))
            connection, _ = await asyncio.to_thread(server.accept)
            with connection:
                connection.sendall(b"220 mail.example\r\n")
            return await asking

        assert asyncio.run(both()) == []


def test_a_proxy_takes_calls_if_an_endpoint_does() -> None:
    def facts(*states: bool, draining: bool = False) -> ProxyFacts:
        endpoints = [{"url": "https://h", "state": "up" if up else "down", "takes_calls": up} for up in states]
        return TypeAdapter(ProxyFacts).validate_python(
            {"version": "1", "pid": 1, "uptime": 0, "endpoints": endpoints, "draining": draining}
        )

    assert facts(False, True).takes_calls
    assert not facts(False).takes_calls
    assert not facts().takes_calls
    assert not facts(True, draining=True).takes_calls
