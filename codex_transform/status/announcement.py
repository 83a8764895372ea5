"""How a command finds the running proxies of its user: each has a file that says where it answers, and a token for it.

The file is readable by its owner alone, so nobody else can ask: neither other users of the machine nor clients of the
proxy, nor web pages. `discovery.py` reads it.
"""

import secrets
import socket
from pathlib import Path

from codex_transform.fsutil import write_private
from codex_transform.jsonio import dumps

HOST = "127.0.0.1"
PATH = "/status"


def announce(folder: Path, port: int, token: str) -> Path:
    """Write a file for a proxy, and return where it lies. Raises OSError.

    It has the name of the machine, the port of its loopback address, and the token to send.
    """
    file = folder / f"{secrets.token_hex(8)}.json"
    write_private(file, dumps({"machine": socket.gethostname(), "port": port, "token": token}))
    return file
