"""Redact keys: the user's own wherever it is quoted, and whatever looks like a key in an endpoint's errors.

Errors that people read get into logs and saved flows. Some endpoints quote the key that they refuse, which may not be
ours, so keys in their messages are recognised by their shape.
"""

import re
from dataclasses import dataclass, field

# A shorter key may be any word: its occurrences are not taken for it.
_SHORTEST_KEY = 8

# OpenAI's own, this proxy's (`people/keys.py`), JSON web tokens, bearer tokens.
_KEY = re.compile(r"(?:\b(?:sk-|eyJ|ct-(?=[\w-]{40}))|(?<=[Bb]earer )(?=\S*\d))[\w.*~+/=-]{3,}[\w*=]")

# Where the key is at fault, any long word with digits may be one.
_WORD = re.compile(r"\b(?=\w*[0-9])(?=\w*[A-Za-z])\w{20,}\b")


@dataclass(frozen=True, slots=True)
class Secret:
    """A key that is not shown when it, or whatever holds it, is printed."""

    value: str = field(repr=False)


def redact_secrets(text: str, *, aggressive: bool = False) -> str:
    """Return `text` with whatever looks like a key replaced by its last four characters.

    With `aggressive`, for messages about a key, any long word with digits looks like one.
    """
    text = _KEY.sub(_hidden, text)
    return _WORD.sub(_hidden, text) if aggressive else text


def _hidden(key: re.Match[str]) -> str:
    prefix = "sk-" if key[0].startswith("sk-") else ""
    return f"{prefix}…{key[0][-4:]}"


def redact_key(data: bytes, key: str) -> bytes:
    """Return `data` with `key` replaced by its redacted form; a key that is too short to be recognised stays."""
    if len(key) < _SHORTEST_KEY:
        return data
    # A client's own key may be any bytes: see `codex_headers`.
    whole, redacted = (each.encode("utf-8", "surrogateescape") for each in (key, redact(key)))
    return data.replace(whole, redacted)


def redact_key_text(text: str, key: str) -> str:
    """Return `text` redacted like `redact_key`; halves of surrogate pairs, which cannot be sent, become `?`."""
    return redact_key(text.encode(errors="replace"), key).decode(errors="replace")


def redact(key: str) -> str:
    """Return a key as it may be shown to its owner: `sk-…abcd`; a short one not at all."""
    return f"{key[:3]}…{key[-4:]}" if len(key) >= 16 else "…"
