"""How `codex-transform status` finds proxies: by files whose proxy answers, has gone, or is another program."""

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


async def test_a_proxy_answers_whoever_has_its_token(tmp_path: Path) -> None:
    async def page() -> Page:
        # A newer release has one more member, and lacks others.
        return json_page(200, {"version": "9", "pid": 7, "uptime": 1.5, "news": [1]})

    listener = AdminListener("127.0.0.1", 0, {"/status": page}, token="right")
    address = await listener.start()
    assert address
    port = int(address.rpartition(":")[2])
    file = announce(tmp_path, port, "right")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    other = announce(tmp_path, port, "wrong")
    announce(tmp_path, port, "not\na token")
    assert await asyncio.to_thread(found, tmp_path) == [7]
    assert other.exists(), "the port answers, so the file is kept"
    listener.close()


async def test_a_proxy_of_many_people_is_found(tmp_path: Path) -> None:
    used = {"requests": 1, "tokens_today": 2, "tokens_this_month": 3}
    people = [{"name": f"person-{number}", **used} for number in range(20_000)]

    async def page() -> Page:
        return json_page(200, {"version": "9", "pid": 7, "uptime": 1.5, "people": people})

    listener = AdminListener("127.0.0.1", 0, {"/status": page}, token="right")
    address = await listener.start()
    assert address
    announce(tmp_path, int(address.rpartition(":")[2]), "right")
    assert await asyncio.to_thread(found, tmp_path) == [7]
    listener.close()


def test_files_of_stopped_proxies_are_removed(tmp_path: Path) -> None:
    assert found(tmp_path / "nowhere") == []
    with reserved() as port:
        gone = announce(tmp_path, port, "x")
        elsewhere = announce(tmp_path, port, "x")
        elsewhere.write_text(json.dumps({"machine": "another-container", "port": port, "token": "x"}))
        (tmp_path / "damaged.json").write_text("{")
        assert found(tmp_path) == []
    assert not gone.exists()
    assert elsewhere.exists(), "nothing is known here of another machine's proxies"


def test_another_program_on_the_port_is_no_proxy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        announce(tmp_path, server.getsockname()[1], "x")

        async def find_while_another_program_answers() -> list[int]:
            finding = asyncio.create_task(asyncio.to_thread(found, tmp_path))
            connection, _ = await asyncio.to_thread(server.accept)
            with connection:
                connection.sendall(b"220 mail.example\r\n")
            return await finding

        assert asyncio.run(find_while_another_program_answers()) == []


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
