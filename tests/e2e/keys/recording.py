"""A proxy that records as much as it can, and a search for keys in what it recorded."""

import base64
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mitmproxy import http
from mitmproxy.io import read_flows_from_paths
from support.running import Endpoint, Proxy, mitmdump

CLIENTS_KEY = "sk-the-clients-own-0123456789"
HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello", "stream": True}


@dataclass
class Address:
    """What the proxy needs to know of an endpoint."""

    url: str
    key: str = "sk-of-an-endpoint-0123456789"


@contextmanager
def recording(home: Path, endpoint: Endpoint, *options: str, stored: str = "true", **environ: str) -> Iterator[Proxy]:
    """Run a proxy that saves and logs as much as it can, and search all of it for keys when it has ended."""
    home.mkdir(exist_ok=True)
    everything = [
        *("-v", "--set", "flow_detail=4", "-w", str(home / "flows"), "--set", f"hardump={home / 'all.har'}"),
        *("--set", f"store_streamed_bodies={stored}"),
    ]
    logged = {"ENABLE_PLUGIN_REQUEST_LOGGING": "1", "DEBUG_CODEX_PLUGIN": "1"}
    with mitmdump(home, endpoint, *everything, *options, **logged, **environ) as proxy:
        yield proxy
    assert traces(endpoint.key, home, proxy.log) == []
    assert traces(CLIENTS_KEY, home, proxy.log) == []


def spellings(key: str) -> list[bytes]:
    """Return the encodings of a key: plain, percent, hex, and base64 at each of the three offsets."""
    plain = key.encode()
    found = [plain, plain[::-1], "".join(f"%{byte:02x}" for byte in plain).encode(), plain.hex().encode()]
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + plain)
        found.append(encoded[(0, 2, 3)[before] : len(encoded) - 4])
    return [spelling.lower() for spelling in found]


def traces(key: str, folder: Path, said: str) -> list[str]:
    """Return the places in which the key was found."""
    texts = {"the log": said.encode()} | {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name, text in list(texts.items()):
        for match in re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]", text):
            try:
                unpacked = zlib.decompressobj(wbits=47).decompress(text[match.start() :])
            except zlib.error:
                continue
            texts[f"{name} at {match.start()}"] = unpacked
    return [name for name, text in texts.items() if any(found in text.lower() for found in spellings(key))]


def flows(path: Path) -> list[http.HTTPFlow]:
    return [flow for flow in read_flows_from_paths([path]) if isinstance(flow, http.HTTPFlow)]


def message(answer: bytes) -> str:
    return str(json.loads(answer)["error"]["message"])
