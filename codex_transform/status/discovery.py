"""Find the running proxies of a user, by the files that they have left, and ask them for their facts.

A proxy that was killed leaves its file; whoever finds that nobody answers removes it.
"""

import http.client
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from codex_transform import net
from codex_transform.status.announcement import HOST, PATH
from codex_transform.status.facts import ProxyFacts

_TIMEOUT = 5.0
_MAX_ANSWER = 100_000_000  # what a proxy with a hundred thousand people says has some 20 MB

_FACTS = TypeAdapter(ProxyFacts)


class _Announcement(BaseModel):
    machine: str
    port: int
    token: Annotated[str, Field(pattern="^[A-Za-z0-9_-]+$")]


def running_proxies(folder: Path) -> Iterator[ProxyFacts]:
    """Yield what each proxy says that runs on this machine, and remove the files of those that do not."""
    for file in sorted(folder.glob("*.json")):
        try:
            announcement = _Announcement.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):
            continue  # it has just ended, or the file is damaged
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


def _ask(announcement: _Announcement) -> ProxyFacts | None:
    """Return what a proxy says, None if something else answers. Raises ConnectionRefusedError where nothing does."""
    client = http.client.HTTPConnection(HOST, announcement.port, timeout=_TIMEOUT)
    try:
        client.connect()
        with net.deadline(client.sock, _TIMEOUT):
            client.request("GET", PATH, headers={"Authorization": f"Bearer {announcement.token}"})
            answer = client.getresponse()
            return _FACTS.validate_json(answer.read(_MAX_ANSWER)) if answer.status == 200 else None
    except ConnectionRefusedError:
        raise
    except (OSError, http.client.HTTPException, ValidationError):
        return None
    finally:
        client.close()
