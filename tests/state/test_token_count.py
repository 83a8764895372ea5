"""The estimated number of tokens of a request."""

from typing import Any

from codex_transform.request.raw_items import Item
from codex_transform.state.token_count import estimate_tokens

IMAGE = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 400_000}


def test_text_counts_by_length_and_an_image_as_one_image() -> None:
    text = {"type": "input_text", "text": "x" * 8000}
    for part, least, most in ((text, 2000, 2100), (IMAGE, 1000, 1100), ({"image_url": {"url": "A" * 4000}}, 1, 100)):
        items = [{"type": "message", "role": "user", "content": [part]}]
        for variant in (items, [Item.of(items[0])]):
            assert least <= estimate_tokens({"input": variant}) <= most


def test_tokens_of_deeply_nested_items_are_counted() -> None:
    """A request whose tokens cannot be counted would not be served."""
    nested: Any = IMAGE
    for _ in range(490):
        nested = {"a": nested}
    item = {"type": "other", **nested}
    assert 1000 <= estimate_tokens({"input": [Item.of(item)]}) == estimate_tokens({"input": [item]})
