"""How many tokens a request has, without the model's own tokenizer."""

from typing import Any

from codex_transform.jsonio import dumps
from codex_transform.request.raw_items import Item

_BYTES_PER_TOKEN = 4
"""Bytes of text or JSON that are a token on average, in English and in code."""

_IMAGE_TOKENS = 1000
_IMAGE_MEMBERS = ("image_url", "file_data")
_IMAGE_NAMES = tuple(f'"{name}"'.encode() for name in _IMAGE_MEMBERS)


def estimate_tokens(body: dict[str, Any]) -> int:
    """Return about how many tokens the instructions, tools and input of a request have."""
    given = body.get("input")
    items = given if isinstance(given, list) else [given]
    images = size = 0
    for part in (body.get("instructions"), body.get("tools"), *items):
        if type(part) is Item and not any(name in part.raw for name in _IMAGE_NAMES):
            size += len(part.raw)
        elif part:
            found, plain = _without_images(part.members if type(part) is Item else part)
            images += found
            size += len(dumps(plain))
    return images * _IMAGE_TOKENS + max(1, size // _BYTES_PER_TOKEN)


def _without_images(value: Any) -> tuple[int, Any]:
    """Return how many images a value holds, and the value without them."""
    if isinstance(value, dict):
        images = sum(isinstance(value.get(name), str) for name in _IMAGE_MEMBERS)
        parts = {name: _without_images(each) for name, each in value.items() if name not in _IMAGE_MEMBERS}
        return images + sum(count for count, _ in parts.values()), {name: each for name, (_, each) in parts.items()}
    if isinstance(value, list):
        found = [_without_images(each) for each in value]
        return sum(count for count, _ in found), [each for _, each in found]
    return 0, value
