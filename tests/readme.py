"""The README in its two languages, taken apart for tests: blocks, tables, sections."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Section(NamedTuple):
    """What stands under one heading; its text is without the blocks."""

    level: int
    heading: str
    text: str


class Readme:
    """One language of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = (ROOT / name).read_text("utf-8")
        self.prose = _FENCE.sub("", self.text)

    def __repr__(self) -> str:
        return self.name

    def blocks(self, language: str) -> list[str]:
        """The fenced blocks of this language, "" for those that name none."""
        return [text for name, text in _FENCE.findall(self.text) if name == language]

    def sections(self) -> list[Section]:
        """From the first heading to the last."""
        pieces = re.split(r"^(#+) (.+)\n", self.prose, flags=re.MULTILINE)[1:]
        return [Section(len(marks), heading, text) for marks, heading, text in _in_threes(pieces)]

    def tables(self) -> list[list[list[str]]]:
        """The cells of each table, the row of its head first."""
        tables = re.findall(r"^((?:\|.*\n)+)", self.prose, re.MULTILINE)
        return [
            [_cells(line) for line in table.splitlines() if not re.fullmatch(r"\|[-|]+\|", line)] for table in tables
        ]

    def table(self, first: str) -> list[list[str]]:
        """The rows, without the head, of the table whose first row begins with this cell."""
        (found,) = (table[1:] for table in self.tables() if table[1][0] == first)
        return found

    def commands(self) -> list[str]:
        """The lines of the shell blocks, and the indented ones of what an agent is told."""
        lines = [line for block in self.blocks("sh") for line in block.splitlines()]
        told = [line.strip() for block in self.blocks("text") for line in block.splitlines() if line.startswith("     ")]
        return [*lines, *told]

    def links(self) -> list[str]:
        """Where links and pictures lead."""
        return re.findall(r"\]\(([^)]+)\)", self.prose)


def quoted(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall("`([^`]+)`", text)


def anchor(heading: str) -> str:
    """What links to a heading are made of, as GitHub has it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _in_threes(pieces: list[str]) -> list[tuple[str, str, str]]:
    return list(zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split(" | ")]


ENGLISH = Readme("README.md")
CHINESE = Readme("README.zh.md")
BOTH = (ENGLISH, CHINESE)
