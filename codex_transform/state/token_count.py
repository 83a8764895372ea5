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
        if type(part) is Item:  # it is parsed only if it may have an image
            raw = part.raw
            size += len(raw)
            value = part.members if any(name in raw for name in _IMAGE_NAMES) else None
        elif part:
            size += len(dumps(part))
            value = part
        else:
            continue
        found, length = _images(value)
        images += found
        size -= length
    return images * _IMAGE_TOKENS + max(1, size // _BYTES_PER_TOKEN)


def _images(value: Any) -> tuple[int, int]:
    """Return how many images a value holds, and how long they are. It may be nested as deeply as a body may be."""
    images = length = 0
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, list):
            left += each
        elif isinstance(each, dict):
            for name, inner in each.items():
                if name in _IMAGE_MEMBERS:
                    images += isinstance(inner, str)
                    length += len(dumps(inner))
                else:
                    left.append(inner)
    return images, length
