"""How a command finds the running proxies of its user: each has a file that says where it answers, and a token for it.

The file is readable by its owner alone, so nobody else can ask: neither other users of the machine nor clients of the
proxy, nor web pages. A proxy that was killed leaves its file; whoever finds that nobody answers removes it.
"""

import http.client
import secrets
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ValidationError

from codex_transform import net
from codex_transform.fsutil import write_private
from codex_transform.status.facts import ProxyFacts

HOST = "127.0.0.1"
PATH = "/status"

_TIMEOUT = 5.0
_MAX_ANSWER = 1_000_000


class Announcement(BaseModel):
    """Where a proxy answers: the name of the machine, a port of its loopback address, and the token to send."""

    machine: str
    port: int
    token: str


def announce(folder: Path, port: int, token: str) -> Path:
    """Write a file for a proxy, and return where it lies. Raises OSError."""
    file = folder / f"{secrets.token_hex(8)}.json"
    announcement = Announcement(machine=socket.gethostname(), port=port, token=token)
    write_private(file, announcement.model_dump_json().encode())
    return file


def running_proxies(folder: Path) -> Iterator[ProxyFacts]:
    """Yield what each proxy says that runs on this machine, and remove the files of those that do not."""
    for file in sorted(folder.glob("*.json")):
        try:
            announcement = Announcement.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):
            continue  # it has just ended
        if announcement.machine != socket.gethostname():
            continue  # a container with the same home
        try:
            facts = _ask(announcement)
        except ConnectionRefusedError:
            with suppress(OSError):
                file.unlink()
            continue
        if facts:
            yield facts


def _ask(announcement: Announcement) -> ProxyFacts | None:
    """Return what a proxy says, None if something else answers. Raises ConnectionRefusedError where nothing does."""
    client = http.client.HTTPConnection(HOST, announcement.port, timeout=_TIMEOUT)
    try:
        client.connect()
        with net.deadline(client.sock, _TIMEOUT):
            client.request("GET", PATH, headers={"Authorization": f"Bearer {announcement.token}"})
            answer = client.getresponse()
            return ProxyFacts.model_validate_json(answer.read(_MAX_ANSWER)) if answer.status == 200 else None
    except ConnectionRefusedError:
        raise
    except (OSError, http.client.HTTPException, ValidationError):
        return None
    finally:
        client.close()
