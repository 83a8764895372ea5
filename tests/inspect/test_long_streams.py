"""Streams that broke off after megabytes: the page is rendered quickly, and shows what is new."""

import json
import time
from typing import Any

from codex_transform.inspect import response


def event(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


def added(index: int) -> bytes:
    item = {"type": "message", "role": "assistant", "content": []}
    return event("response.output_item.added", output_index=index, item=item)


def delta(index: int, text: str) -> bytes:
    return event("response.output_text.delta", output_index=index, content_index=0, delta=text)


def seconds(body: bytes) -> float:
    began = time.process_time()
    response.render(body)
    return time.process_time() - began


def test_each_item_is_shown_from_its_beginning() -> None:
    body = added(0) + delta(0, "first ") + delta(0, "and more ") * 40_000 + added(1) + delta(1, "second")
    page = response.render(body)
    assert "first and more and more" in page
    assert page.endswith("second")
    assert "40,004 events" in page


def test_text_that_is_not_shown_takes_little_time() -> None:
    short, long = (added(0) + delta(0, "word " * 3) * count for count in (20_000, 160_000))
    seconds(short)  # loads the modules
    assert min(seconds(long) for _ in range(2)) < 5 * min(seconds(short) for _ in range(2))
