"""JSON as people write it by hand: comments and trailing commas allowed, and errors that say where.

The text is scanned once. Comments and trailing commas become spaces, so that every offset stays what it was, and
the result goes to the standard library's parser, whose errors carry positions in characters. What a string holds
is never looked at. The grammar is that of JSONC: RFC 8259, `//` and `/* */` comments, one comma after the last item.
"""

import json
import re
from typing import Any

# A string (perhaps cut off at the line's end), a comment, a block comment that never ends, a structural
# character, a bare word. Whitespace between them is skipped.
_TOKEN = re.compile(
    r"""
    (?P<string> "(?:[^"\\\n]++|\\.)*+"? )
  | (?P<comment> //[^\r\n]* | /\*.*?\*/ )
  | (?P<endless> /\* )
  | (?P<mark> [\[\]{},:] )
  | (?P<word> [^\s"/\[\]{},:]+ | / )
    """,
    re.VERBOSE | re.DOTALL,
)
_VISIBLE = re.compile(r"[^\r\n]")
_OUTSIDE_JSON = ("NaN", "Infinity", "-Infinity")  # the standard library's parser takes these


class JsonError(ValueError):
    """Text that is not JSON: `reason` says what is wrong, `line` and `column` where, counted from 1."""

    def __init__(self, text: str, offset: int, reason: str) -> None:
        self.line = text.count("\n", 0, offset) + 1
        self.column = offset - text.rfind("\n", 0, offset)
        self.reason = reason
        super().__init__(f"line {self.line}, column {self.column}: {reason}")


def parse(text: str, *, strict: bool = False) -> Any:
    """Return the value that `text` holds. A byte order mark in front is skipped.

    With `strict`, comments and trailing commas are errors as well. Raises JsonError, which never quotes the text.
    """
    text = text.removeprefix("\ufeff")
    try:
        return json.loads(_plain(text, strict))
    except json.JSONDecodeError as error:
        reason = error.msg[0].lower() + error.msg[1:].removesuffix(" at").removesuffix(" starting")
        raise JsonError(text, error.pos, reason) from None
    except RecursionError:
        raise JsonError(text, 0, "nested too deeply") from None
    except JsonError:
        raise
    except ValueError:  # the limit on the digits of an integer
        raise JsonError(text, 0, "a number has too many digits") from None


def describe_type(value: object) -> str:
    """Return what a parsed value is, in words, for messages that must not show the value itself."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)


def _plain(text: str, strict: bool) -> str:
    """`text` with spaces for comments and trailing commas; its length and its line breaks stay."""
    spans: list[tuple[int, int]] = []
    before = ""  # the last token that is no comment
    comma = -1  # where it began, if it was a comma after a value
    for match in _TOKEN.finditer(text):
        token, start = match[0], match.start()
        if match.lastgroup == "comment":
            if strict:
                raise JsonError(text, start, "JSON has no comments")
            spans.append(match.span())
            continue
        if match.lastgroup == "endless":
            raise JsonError(text, start, "a comment without an end")
        if token in _OUTSIDE_JSON:
            raise JsonError(text, start, f"{token} is not a JSON value")
        if comma >= 0 and token in ("]", "}"):
            if strict:
                raise JsonError(text, comma, "a comma after the last item")
            spans.append((comma, comma + 1))
        comma = start if token == "," and before not in ("", "[", "{", ",", ":") else -1
        before = token
    pieces: list[str] = []
    done = 0
    for start, end in sorted(spans):
        pieces += text[done:start], _VISIBLE.sub(" ", text[start:end])
        done = end
    return "".join((*pieces, text[done:]))
