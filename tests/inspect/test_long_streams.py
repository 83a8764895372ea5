"""Streams that broke off after megabytes: the page is there in a moment, and what is new in them is on it."""

import json
import time
from typing import Any

from codex_transform.inspect import response


def event(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


def begun(index: int) -> bytes:
    item = {"type": "message", "role": "assistant", "content": []}
    return event("response.output_item.added", output_index=index, item=item)


def said(index: int, text: str) -> bytes:
    return event("response.output_text.delta", output_index=index, content_index=0, delta=text)


def took(body: bytes) -> float:
    began = time.process_time()
    response.render(body)
    return time.process_time() - began


def test_each_item_is_shown_from_its_beginning() -> None:
    body = begun(0) + said(0, "first ") + said(0, "and more ") * 40_000 + begun(1) + said(1, "second")
    page = response.render(body)
    assert "first and more and more" in page
    assert page.endswith("second")
    assert "40,004 events" in page


def test_what_is_not_shown_costs_hardly_any_time() -> None:
    short, long = (begun(0) + said(0, "word " * 3) * count for count in (20_000, 160_000))
    took(short)  # loads what it takes
    assert min(took(long) for _ in range(2)) < 5 * min(took(short) for _ in range(2))
