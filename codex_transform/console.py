"""Consoles that cannot show every character: a legacy Windows code page, `LC_ALL=C`, `PYTHONIOENCODING=ascii`.

Strategy: an error handler for codecs, so that a character that the encoding lacks is replaced and raises nothing. UTF-8
streams lack only halves of surrogate pairs.
"""

import codecs
import sys
from typing import TextIO

_HANDLER = "codex_transform.substitute"

# The symbols that this project's own messages use.
_SUBSTITUTES = {"→": "->", "·": "|", "…": "...", "✓": "+", "✗": "x", "–": "-", "—": "-", "×": "x", "≥": ">="}


def make_lenient(*streams: TextIO | None) -> None:
    """Have these text streams, by default stdout and stderr, substitute characters that their encoding lacks.

    A stream that is missing (pythonw has none), closed, or not one of Python's text files is left alone; so is a UTF-8
    stream whose error handler can handle half a surrogate pair.
    """
    for stream in streams or (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None or stream is None or stream.closed:
            continue
        if stream.errors == "strict" or codecs.lookup(stream.encoding).name != "utf-8":
            reconfigure(errors=_HANDLER)


def _substitute(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_SUBSTITUTES.get(character, "?") for character in missing), error.end


codecs.register_error(_HANDLER, _substitute)
