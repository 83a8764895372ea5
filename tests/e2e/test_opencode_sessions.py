"""A session never breaks: three turns of the real OpenCode, whose endpoint refuses something after the first."""

import json
import random
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from support.opencode_server import Server, serving, texts
from support.running import Proxy, conversation

from codex_transform.sandbox import Sandbox


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def png(side: int) -> bytes:
    """A grey picture that does not compress."""
    rows = b"".join(b"\0" + random.Random(row).randbytes(side) for row in range(side))
    head = side.to_bytes(4) * 2 + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PNG = png(300)

# The fault, the picture that the first turn has, and how many requests are refused in all (None: it is not refused).
FAULTS: dict[str, tuple[bytes | None, int]] = {
    "no-encrypted-member": (None, 1),
    "no-item-summary": (None, 1),
    "other-account": (None, 1),
    # OpenCode sends no picture on that is broken, so it is the endpoint that takes none.
    "no-images": (PNG, 1),
    "too-large@100": (PNG, 1),
    "open-end": (None, 0),
    "no-final-event": (None, 0),
    "no-tool-choice": (None, 1),
    # The last: it is remembered for the endpoint, and without `include` there is no reasoning to be refused.
    "no-include": (None, 1),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, quiet_proxy: Proxy) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("opencode"), quiet_proxy) as running:
        yield running


@pytest.mark.gate
@pytest.mark.parametrize("fault", FAULTS)
def test_three_turns(server: Server, shared_sandbox: Sandbox, fault: str) -> None:
    picture, refused = FAULTS[fault]
    sandbox = shared_sandbox
    sandbox.forget()
    session = server.session()
    (server.project / "picture.png").write_bytes(picture or b"")
    first = "read picture.png" if picture else "write hello one to one.txt"
    try:
        server.ask(session, first)
        sandbox.misbehave(fault, with_tools=True)
        server.ask(session, "write hello two to two.txt")
        messages = server.ask(session, "say hello three")
    finally:
        sandbox.behave()
    assert [m["info"].get("finish") for m in messages if m["info"]["role"] == "assistant"] == [
        "tool-calls",
        "stop",
        "tool-calls",
        "stop",
        "stop",
    ]
    assert not any("error" in message["info"] for message in messages)
    assert (server.project / "two.txt").read_text().strip() == "hello two"
    assert "hello three" in texts(messages)[-1]

    statuses = [entry["status"] for entry in sandbox.requests if entry["body"].get("tools")]
    assert statuses.count(200) == 5
    assert len(statuses) - 5 == refused, statuses
    accepted: list[dict[str, Any]] = [
        body for body, status in zip(conversation(sandbox), statuses, strict=True) if status == 200
    ]
    for before, after in pairwise(accepted[2:]):
        assert after["input"][: len(before["input"])] == before["input"]
    last = json.dumps(accepted[-1]["input"])
    for words in (first, "hello two to two.txt", "say hello three"):
        assert words in last
