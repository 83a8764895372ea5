"""A session always goes on: three turns of the real OpenCode, whose endpoint refuses something after the first."""

import json
import random
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.opencode_server import CODEX, Server, serving, texts
from support.raw_host import NEW_PATH, Answer, catalogue, raw_host
from support.running import Proxy, mitmdump
from support.waiting import eventually

from codex_transform.sandbox import Sandbox


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def png(side: int) -> bytes:
    """Return a grey picture that does not compress."""
    rows = b"".join(b"\0" + random.Random(row).randbytes(side) for row in range(side))
    head = side.to_bytes(4) * 2 + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PNG = png(300)

# The fault, the picture in the first turn, and how many requests are refused in all (None: none is).
FAULTS: dict[str, tuple[bytes | None, int]] = {
    "no-encrypted-member": (None, 1),
    "no-item-summary": (None, 1),
    "other-account": (None, 1),
    # OpenCode does not send a broken picture, so the endpoint here refuses all.
    "no-images": (PNG, 1),
    "too-large@100": (PNG, 1),
    "open-end": (None, 0),
    "overloaded": (None, 1),
    "bad-gateway": (None, 1),
    "cut-before-head": (None, 1),
    "no-final-event": (None, 0),
    "no-tool-choice": (None, 1),
    # Last, because it is remembered for the endpoint, and without `include` there is no reasoning to refuse.
    "no-include": (None, 1),
}


ONCE = ("overloaded", "bad-gateway", "cut-before-head")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, quiet_proxy: Proxy) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("opencode"), quiet_proxy) as running:
        yield running


@pytest.mark.gate
@pytest.mark.parametrize("fault", FAULTS)
def test_a_session_goes_on_after_a_refusal(server: Server, shared_sandbox: Sandbox, fault: str) -> None:
    picture, refused = FAULTS[fault]
    three_turns(server, shared_sandbox, fault, refused, picture, times=1 if fault in ONCE else None)


@pytest.mark.gate
def test_a_session_goes_on_after_its_instructions_file_is_refused(tmp_path: Path, shared_sandbox: Sandbox) -> None:
    """From the second turn on the file is refused: Codex's instructions are sent, and the file as a message."""
    own = tmp_path / "own.md"
    own.write_text("Be my guest.")
    with raw_host() as host:
        host.answers[f"main/{NEW_PATH}"] = Answer(catalogue(CODEX, text="Write code [codex]"))
        home, cache = tmp_path / "home", tmp_path / "home/.opencode/cache"
        with mitmdump(home, shared_sandbox, CODEX_CATALOG_URL=host.root):
            assert eventually(lambda: any(cache.glob("codex-transform-main-*.json")), 20)
        with (
            mitmdump(home, shared_sandbox, CODEX_CATALOG_URL=host.root, CODEX_INSTRUCTIONS_FILE=str(own)) as proxy,
            serving(tmp_path, proxy) as server,
        ):
            last = three_turns(server, shared_sandbox, "codex-instructions", 1)
    assert last["instructions"] == f"Write code [codex] of {CODEX}"
    assert "Be my guest." in json.dumps(last["input"][0])


def three_turns(
    server: Server,
    sandbox: Sandbox,
    fault: str,
    refused: int,
    picture: bytes | None = None,
    times: int | None = None,
) -> dict[str, Any]:
    """Hold a conversation with a fault from the second turn on and this many refusals; return the last body."""
    sandbox.forget()
    session = server.session()
    (server.project / "picture.png").write_bytes(picture or b"")
    first = "read picture.png" if picture else "write hello one to one.txt"
    try:
        server.ask(session, first)
        sandbox.misbehave(fault, with_tools=True, times=times)
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

    asked = [entry for entry in sandbox.requests if entry["body"].get("tools")]
    accepted: list[dict[str, Any]] = [
        entry["body"] for entry in asked if entry["status"] == 200 and entry["misbehaviour"] != "cut-before-head"
    ]
    assert (len(accepted), len(asked) - len(accepted)) == (5, refused)
    # The corrected request is the first of those that continue each other.
    for before, after in pairwise(accepted[2:]):
        assert after["input"][: len(before["input"])] == before["input"]
    last = json.dumps(accepted[-1]["input"])
    for words in (first, "hello two to two.txt", "say hello three"):
        assert words in last
    return accepted[-1]
