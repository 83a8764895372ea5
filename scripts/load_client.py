"""The HTTP client of `load.py`, `soak.py` and `simulate_team.py`: many concurrent requests in one event loop.

Strategy: h11 decides whether a response is complete. The sandbox counts to the number in the prompt, so the text of a
response is known in advance, and the streams of a run can have different ones.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import NamedTuple

import h11

TIMEOUT = 120.0  # seconds for one response

_PREFIX = "[sandbox] "
_DELTA = "response.output_text.delta"


class Response(NamedTuple):
    """A response: its status, the text of all deltas, the type of its last event, and times in seconds.

    `max_gap` is the longest time without data. `complete` is False if the connection was lost before the end.
    """

    status: int
    text: str
    last_event: str
    seconds: float
    max_gap: float
    complete: bool

    def __str__(self) -> str:
        return f"HTTP {self.status}, {len(self.text)} characters, last event: {self.last_event or 'none'}"


def request_body(count: int, conversation: str) -> bytes:
    """Return a request that the sandbox answers by counting to `count`."""
    return json.dumps(
        {
            "model": "gpt-5.1-codex",
            "stream": True,
            "input": [{"role": "user", "content": f"count to {count}"}],
            "prompt_cache_key": conversation,
        }
    ).encode()


def is_expected(response: Response, count: int) -> bool:
    """Return whether this is the sandbox's complete response to `request_body(count, ...)`."""
    text = _PREFIX + " ".join(map(str, range(1, count + 1)))
    return response.complete and response.text == text and response.last_event == "response.completed"


async def request(port: int, body: bytes, fault: str = "") -> Response:
    """Send a request through the proxy at `port` and return the response. The sandbox applies `fault`, if given.

    Raises TimeoutError if the response takes longer than `TIMEOUT`.
    """
    async with asyncio.timeout(TIMEOUT):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            return await _exchange(reader, writer, body, fault)
        finally:
            writer.close()


async def get(port: int, url: str) -> bytes:
    """Return the body of a page, requested through the proxy at `port`."""
    host = url.split("/")[2]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    response = await asyncio.wait_for(reader.read(), TIMEOUT)
    writer.close()
    return response.partition(b"\r\n\r\n")[2]


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes, fault: str) -> Response:
    connection = h11.Connection(h11.CLIENT)
    headers = [
        ("Host", "api.openai.com"),
        ("Authorization", "Bearer sk-dummy-of-the-client"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
    ]
    if fault:
        headers.append(("x-sandbox-misbehave", fault))
    request = h11.Request(method="POST", target="http://api.openai.com/v1/responses", headers=headers)
    sent_at = received_at = time.monotonic()
    for part in (request, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(connection.send(part) or b"")
    status, max_gap, parts, complete = 0, 0.0, [], True
    try:
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(1 << 16))
                now = time.monotonic()
                max_gap, received_at = max(max_gap, now - received_at), now
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                parts.append(bytes(event.data))
    except (h11.RemoteProtocolError, ConnectionError):
        complete = False
    text, last_event = _read_events(b"".join(parts)) if status == 200 else ("", "")
    return Response(status, text, last_event, time.monotonic() - sent_at, max_gap, complete)


def _read_events(stream: bytes) -> tuple[str, str]:
    """Return the text of an event stream and the type of its last event."""
    events = [json.loads(line[6:]) for line in stream.split(b"\n") if line.startswith(b"data: ")]
    text = "".join(event["delta"] for event in events if event["type"] == _DELTA)
    return text, events[-1]["type"] if events else ""
