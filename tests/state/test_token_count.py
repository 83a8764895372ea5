"""How many tokens a request is estimated to have."""

from typing import Any

from codex_transform.request.raw_items import Item
from codex_transform.state.token_count import estimate_tokens

PICTURE = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 400_000}


def test_text_counts_by_its_length_and_a_picture_as_one() -> None:
    text = {"type": "input_text", "text": "x" * 8000}
    for part, least, most in ((text, 2000, 2100), (PICTURE, 1000, 1100), ({"image_url": {"url": "A" * 4000}}, 1, 100)):
        items = [{"type": "message", "role": "user", "content": [part]}]
        for given in (items, [Item.of(items[0])]):
            assert least <= estimate_tokens({"input": given}) <= most


def test_an_item_may_be_nested_as_deeply_as_a_body_may_be() -> None:
    """A request that cannot be counted would not be served."""
    nested: Any = PICTURE
    for _ in range(490):
        nested = {"a": nested}
    item = {"type": "other", **nested}
    assert 1000 <= estimate_tokens({"input": [Item.of(item)]}) == estimate_tokens({"input": [item]})
