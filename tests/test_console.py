"""Output streams that replace characters that their encoding lacks."""

import io

import pytest

from codex_transform.console import make_lenient


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", b"a -> b | c... ???"),
        ("cp1252", b"a -> b \xb7 c\x85 ???"),
        ("utf-8", "a → b · c… 模型".encode() + b"?"),
    ],
)
def test_characters_that_an_encoding_lacks_are_replaced(encoding: str, expected: bytes) -> None:
    output = io.BytesIO()
    stream = io.TextIOWrapper(output, encoding=encoding)
    make_lenient(stream)
    stream.write("a → b · c… 模型\ud800")
    stream.flush()
    assert output.getvalue() == expected


def test_streams_that_are_no_files_are_left_alone() -> None:
    closed = io.TextIOWrapper(io.BytesIO())
    closed.close()
    make_lenient(None, closed, io.StringIO())
