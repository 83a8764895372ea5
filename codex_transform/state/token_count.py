"""How many tokens a request has, without the model's own tokenizer."""

from typing import Any

from codex_transform.jsonio import dumps

_BYTES_PER_TOKEN = 4
"""Bytes of text or JSON that are a token on average, in English and in code."""

_IMAGE_TOKENS = 1000
_IMAGE_MEMBERS = ("image_url", "file_data")


def estimate_tokens(body: dict[str, Any]) -> int:
    """Return about how many tokens the instructions, tools and input of a request have."""
    text = {name: body[name] for name in ("instructions", "tools", "input") if body.get(name)}
    images, plain = _without_images(text)
    return images * _IMAGE_TOKENS + max(1, len(dumps(plain)) // _BYTES_PER_TOKEN)


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
