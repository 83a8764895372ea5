"""Parse JSON as people write it by hand: with comments and trailing commas, and with positions in errors.

The text is scanned once. Comments and trailing commas become spaces, so that every offset stays the same, and the
result goes to the standard library's parser, whose errors have positions in characters. The content of strings is
skipped. The grammar is that of JSONC: RFC 8259, `//` and `/* */` comments, one comma after the last item.
"""

import json
import re
from typing import Any

# A string (perhaps unterminated at the end of the line), a comment, a block comment without an end, a structural
# character, a bare word. Whitespace between them is skipped.
_TOKEN = re.compile(
    r"""
    (?P<string> "(?:[^"\\\n]++|\\.)*+"? )
  | (?P<comment> //[^\r\n]* | /\*.*?\*/ )
  | (?P<unterminated> /\* )
  | (?P<mark> [\[\]{},:] )
  | (?P<word> [^\s"/\[\]{},:]+ | / )
    """,
    re.VERBOSE | re.DOTALL,
)
_VISIBLE = re.compile(r"[^\r\n]")
_NOT_JSON = ("NaN", "Infinity", "-Infinity")  # the standard library's parser accepts these


class JsonError(ValueError):
    """Text that is not JSON: `reason` is what is wrong, `line` and `column` are where, counted from 1."""

    def __init__(self, text: str, offset: int, reason: str) -> None:
        self.line = text.count("\n", 0, offset) + 1
        self.column = offset - text.rfind("\n", 0, offset)
        self.reason = reason
        super().__init__(f"line {self.line}, column {self.column}: {reason}")


def parse(text: str, *, strict: bool = False) -> Any:
    """Return the value of `text`. A byte order mark at the beginning is skipped.

    With `strict`, comments and trailing commas are errors as well. Raises JsonError, which never quotes the text.
    """
    text = text.removeprefix("\ufeff")
    try:
        return json.loads(_to_json(text, strict))
    except json.JSONDecodeError as error:
        reason = error.msg[0].lower() + error.msg[1:].removesuffix(" at").removesuffix(" starting")
        raise JsonError(text, error.pos, reason) from None
    except RecursionError:
        raise JsonError(text, 0, "nested too deeply") from None
    except JsonError:
        raise
    except ValueError:  # the limit on the digits of an integer
        raise JsonError(text, 0, "a number has too many digits") from None


def _to_json(text: str, strict: bool) -> str:
    """Return `text` with spaces for comments and trailing commas; its length and its line breaks stay."""
    spans: list[tuple[int, int]] = []
    previous = ""  # the last token that is no comment
    comma = -1  # its offset, if it is a comma after a value
    for match in _TOKEN.finditer(text):
        token, start = match[0], match.start()
        if match.lastgroup == "comment":
            if strict:
                raise JsonError(text, start, "JSON has no comments")
            spans.append(match.span())
            continue
        if match.lastgroup == "unterminated":
            raise JsonError(text, start, "a comment without an end")
        if token in _NOT_JSON:
            raise JsonError(text, start, f"{token} is not a JSON value")
        if comma >= 0 and token in ("]", "}"):
            if strict:
                raise JsonError(text, comma, "a comma after the last item")
            spans.append((comma, comma + 1))
        comma = start if token == "," and previous not in ("", "[", "{", ",", ":") else -1
        previous = token
    pieces: list[str] = []
    done = 0
    for start, end in sorted(spans):
        pieces += text[done:start], _VISIBLE.sub(" ", text[start:end])
        done = end
    return "".join((*pieces, text[done:]))
