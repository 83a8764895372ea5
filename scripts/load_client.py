"""The client of `load.py` and `soak.py`: many requests at once in one event loop, each answer read to its end.

Strategy: h11 reads the answers, so that what counts as a whole answer is not decided here. The sandbox counts as far
as it is asked to, so each answer's text is known beforehand, and no two streams of a run need have the same.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import NamedTuple

import h11

PATIENCE = 120.0  # seconds for one answer

_MARK = "[sandbox] "
_DELTA = "response.output_text.delta"


class Answer(NamedTuple):
    """What came: the status, the text of all deltas, the type of the last event, and times in seconds.

    `gap` is the longest time in which nothing came, `whole` False when the connection ended too early.
    """

    status: int
    text: str
    last: str
    seconds: float
    gap: float
    whole: bool

    def __str__(self) -> str:
        return f"HTTP {self.status}, {len(self.text)} characters, at last {self.last or 'no event'}"


def body(count: int, conversation: str) -> bytes:
    """A request that the sandbox answers by counting to `count`."""
    return json.dumps(
        {
            "model": "gpt-5.1-codex",
            "stream": True,
            "input": [{"role": "user", "content": f"count to {count}"}],
            "prompt_cache_key": conversation,
        }
    ).encode()


def is_right(answer: Answer, count: int) -> bool:
    """True when it is all of what the sandbox answers to `body(count, ...)`."""
    text = _MARK + " ".join(map(str, range(1, count + 1)))
    return answer.whole and answer.text == text and answer.last == "response.completed"


async def ask(port: int, content: bytes, misbehaviour: str = "") -> Answer:
    """Sends one request through the proxy at `port` and reads the answer. `misbehaviour` is what the sandbox does.

    Raises TimeoutError when the answer takes longer than anyone would wait.
    """
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            return await _exchange(reader, writer, content, misbehaviour)
        finally:
            writer.close()


async def get(port: int, url: str) -> bytes:
    """The body of a page, through the proxy at `port`."""
    host = url.split("/")[2]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    return answer.partition(b"\r\n\r\n")[2]


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, content: bytes, misbehaviour: str
) -> Answer:
    connection = h11.Connection(h11.CLIENT)
    headers = [
        ("Host", "api.openai.com"),
        ("Authorization", "Bearer sk-dummy-of-the-client"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(content))),
    ]
    if misbehaviour:
        headers.append(("x-sandbox-misbehave", misbehaviour))
    request = h11.Request(method="POST", target="http://api.openai.com/v1/responses", headers=headers)
    began = last = time.monotonic()
    for part in (request, h11.Data(data=content), h11.EndOfMessage()):
        writer.write(connection.send(part) or b"")
    status, gap, pieces, whole = 0, 0.0, [], True
    try:
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(1 << 16))
                now = time.monotonic()
                gap, last = max(gap, now - last), now
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
    except (h11.RemoteProtocolError, ConnectionError):
        whole = False
    text, kind = _read(b"".join(pieces)) if status == 200 else ("", "")
    return Answer(status, text, kind, time.monotonic() - began, gap, whole)


def _read(stream: bytes) -> tuple[str, str]:
    """The text of an event stream and the type of its last event."""
    events = [json.loads(line[6:]) for line in stream.split(b"\n") if line.startswith(b"data: ")]
    text = "".join(event["delta"] for event in events if event["type"] == _DELTA)
    return text, events[-1]["type"] if events else ""
