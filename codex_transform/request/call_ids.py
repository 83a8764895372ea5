"""Ids that are longer than the endpoint takes, made shorter: of tool calls, and of the prompt cache.

Both limits are those of OpenAI's API ("string too long … maximum length 64"). Clients exceed the first with sessions
that another provider began, and with long names of MCP tools. The same id becomes the same shorter one in every
request, so calls and outputs still pair and the prompt cache still works.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from codex_transform.jsonio import text_or_none

MAX_LENGTH = 64
"""Characters of an id, by OpenAI's API reference."""

_PREFIX = 24


def shorten(text: str) -> str:
    """Return an id of at most 64 characters; one that is longer keeps its beginning, and a hash makes it unique."""
    if len(text) <= MAX_LENGTH:
        return text
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[:_PREFIX]}-{digest[: MAX_LENGTH - _PREFIX - 1]}"


def conversation_name(body: Mapping[str, Any], session: str | None) -> str | None:
    """Return the name of a request's conversation, None if nothing names it; `session` is from the client's header.

    It is no longer than an id: the names of many conversations are remembered.
    """
    name = text_or_none(body.get("prompt_cache_key")) or session
    return None if name is None else shorten(name)
