"""Tables in a terminal."""

import click

from codex_transform.cli import table
from codex_transform.inspect.text import columns


def test_wide_characters_keep_their_columns_straight() -> None:
    lines = [click.unstyle(line) for line in table.lines(["name", "calls"], [["会话", "1"], ["ab", "23"]], {1})]
    assert lines == ["name  calls", "会话      1", "ab       23"]
    assert {columns(line) for line in lines} == {11}
