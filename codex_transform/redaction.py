"""Hides keys in what an endpoint says about an error: some quote the key that they refuse.

What a person reads of an error gets into logs and saved flows, so keys are hidden wherever an error is made of an
endpoint's words. A key is known by what it looks like, because these words may be about another key than ours.
"""

import re

# OpenAI's own, JSON web tokens, bearer tokens.
_KEY = re.compile(r"(?:\b(?:sk-|eyJ)|(?<=[Bb]earer )(?=\S*\d))[\w.*~+/=-]{3,}[\w*=]")

# Where the key is at fault, any long word with digits may be one.
_WORD = re.compile(r"\b(?=\w*[0-9])(?=\w*[A-Za-z])\w{20,}\b")


def hide_keys(text: str, *, thoroughly: bool = False) -> str:
    """`text` with all but the last four characters of what looks like a key hidden."""
    text = _KEY.sub(_hidden, text)
    return _WORD.sub(_hidden, text) if thoroughly else text


def _hidden(key: re.Match[str]) -> str:
    prefix = "sk-" if key[0].startswith("sk-") else ""
    return f"{prefix}…{key[0][-4:]}"
