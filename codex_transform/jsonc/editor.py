"""Changes to JSONC that leave everything else as its owner wrote it.

An edit is a handful of cuts and insertions in the old text, at offsets that its tree gives, so comments, order,
indentation, line ends, trailing commas and a byte order mark stay byte for byte. What is inserted takes its
indentation, its line ends and its commas from what stands around it. Of members that share a name the last one counts,
as in every JSON parser: it is the one that is changed, but all of them are removed.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from codex_transform.jsonc import parser
from codex_transform.jsonc.tree import Entry, Node, Step, tree

JsonPath = tuple[Step, ...]
"""Where a value is: the names of members and the numbers of items on the way to it."""

_LINE_END = re.compile(r"\r\n|\n|\r")
_SAME_LINE = re.compile(r"(?:[ \t]|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_BLANKS = re.compile(r"[ \t]*")
_WIDTH = 110  # an object or a list that is not longer, and holds no other, goes on one line


class Document:
    """A JSONC text and its edits. Nothing changes it: each edit returns the new text."""

    def __init__(self, text: str) -> None:
        """Raise jsonc.JsonError, with the place, if `text` is no valid JSONC."""
        self.value: Any = parser.parse(text)
        self._text = text
        self._root, self._comments = tree(text)
        found = _LINE_END.search(text)
        self._newline = found[0] if found else "\n"
        self._unit = next(self._indents(), "  ")

    def merge_missing(self, members: Mapping[str, Any]) -> str:
        """Return the text with those of `members` that it lacks, at every depth. What is there stays, whatever it is.

        Raises ValueError if the document is no object.
        """
        edits: list[tuple[int, int, str]] = []
        self._fill(self._root, members, edits)
        return self._apply(edits)

    def set(self, path: tuple[str, ...], value: object) -> str:
        """Return the text with `value` at `path`, whatever was there. Objects on the way are made.

        Raises ValueError if something on the way is no object.
        """
        node = self._find(path)
        if node is not None:
            rendered = _render(value, self._indent_at(node.start), self._unit, self._newline)
            return self._apply([(node.start, node.end, rendered)])
        nested = value
        for step in reversed(path):
            nested = {step: nested}
        assert isinstance(nested, dict)
        for depth in range(len(path)):
            above = self._find(path[:depth])
            if above is not None and above.kind != "{":
                raise ValueError(f"{'.'.join(path[:depth]) or 'the document'} is no object")
        return self.merge_missing(nested)

    def remove(self, paths: Iterable[JsonPath]) -> str:
        """Return the text without the members and items at `paths`. A path that leads nowhere is ignored.

        Comments stay, except those inside of what is removed.
        """
        wanted = set(paths)
        edits: list[tuple[int, int, str]] = []
        pending: list[tuple[JsonPath, Node]] = [((), self._root)]
        while pending:
            path, node = pending.pop()
            gone = [entry for entry in node.entries if (*path, entry.name) in wanted]
            edits += self._removals(node, gone)
            pending += (((*path, entry.name), entry.value) for entry in node.entries if entry not in gone)
        return self._apply(edits)

    def has(self, path: JsonPath) -> bool:
        """Whether there is something at `path`."""
        return self._find(path) is not None

    def has_comment(self, path: JsonPath) -> bool:
        """Whether `remove` would take a comment along with the member or item at `path`."""
        above = self._find(path[:-1])
        entries = [entry for entry in above.entries if entry.name == path[-1]] if above else []
        return any(entry.start < start < entry.value.end for entry in entries for start, _ in self._comments)

    def _find(self, path: JsonPath) -> Node | None:
        node = self._root
        for step in path:
            entry = next((entry for entry in reversed(node.entries) if entry.name == step), None)
            if entry is None:
                return None
            node = entry.value
        return node

    def _fill(self, node: Node, members: Mapping[str, Any], edits: list[tuple[int, int, str]]) -> None:
        if node.kind != "{":
            if node is self._root:
                raise ValueError("the document is no object")
            return
        there = {entry.name: entry.value for entry in node.entries}
        for name in members.keys() & there.keys():
            if isinstance(members[name], Mapping):
                self._fill(there[name], members[name], edits)
        absent = {name: value for name, value in members.items() if name not in there}
        if absent:
            edits += self._insertions(node, absent)

    def _insertions(self, node: Node, members: Mapping[str, Any]) -> list[tuple[int, int, str]]:
        """Return what puts `members` behind the last entry of `node`."""
        text, last = self._text, node.entries[-1] if node.entries else None
        edits: list[tuple[int, int, str]] = []
        trailing = last is not None and last.comma >= 0
        if last is not None and not trailing:
            edits.append((last.value.end, last.value.end, ","))
        behind = node.start + 1 if last is None else (last.comma + 1 if trailing else last.value.end)
        here = self._insert_offset(node, behind)
        own_line = last is not None and self._begins_line(last.start)
        base = self._indent_at(node.start)
        indent = self._indent_at(last.start) if own_line and last is not None else base + self._unit
        rendered = [
            f"{json.dumps(name, ensure_ascii=False)}: {_render(value, indent, self._unit, self._newline)}"
            for name, value in members.items()
        ]
        fits = not any(_LINE_END.search(each) for each in rendered) and sum(map(len, rendered)) <= _WIDTH
        if not own_line and fits and node is not self._root and not _LINE_END.search(text, node.start, node.end):
            inserted = ("" if last is None else " ") + ", ".join(rendered)
            edits.append((here, here, inserted + ("," if trailing else "")))
            return edits
        lead = self._newline + indent
        inserted = lead + f",{lead}".join(rendered) + ("," if trailing else "")
        rest = _SAME_LINE.match(text, here)
        assert rest is not None
        if text[rest.end()] == ("}" if node.kind == "{" else "]") and not own_line:
            inserted += self._newline + base
        edits.append((here, here, inserted))
        return edits

    def _insert_offset(self, node: Node, behind: int) -> int:
        """Where a new entry goes: behind what `behind` points at and the comments of that line.

        Without entries, behind all comments, so that one at the end of a line does not swallow it.
        """
        if not node.entries:
            inside = [end for start, end in self._comments if behind <= start < node.end]
            return inside[-1] if inside else behind
        match = _SAME_LINE.match(self._text, behind)
        assert match is not None
        stop = match.end()
        inside = [end for start, end in self._comments if behind <= start < stop]
        return inside[-1] if inside else behind

    def _removals(self, node: Node, gone: list[Entry]) -> Iterator[tuple[int, int, str]]:
        """Yield what takes the entries `gone` out of `node`."""
        kept = [entry for entry in node.entries if entry not in gone]
        if gone and not kept and not self._comments_between(node):
            yield node.start + 1, node.end - 1, ""  # the brackets close up
            return
        last = kept[-1].start if kept else -1
        for entry in gone:
            yield from self._cut(entry, at_end=entry.start > last)
        if gone and kept and node.entries[-1].comma < 0 and node.entries[-1] in gone:
            yield kept[-1].comma, kept[-1].comma + 1, ""

    def _comments_between(self, node: Node) -> bool:
        """Whether a comment stands in `node` that is in none of its entries."""
        return any(
            node.start < start < node.end and not any(e.start < start < e.value.end for e in node.entries)
            for start, _ in self._comments
        )

    def _cut(self, entry: Entry, *, at_end: bool) -> list[tuple[int, int, str]]:
        """One entry, its comma, and the line if there is nothing else on it; else the blanks that set it apart.

        `at_end` says that no entry that stays follows: the blanks are then those in front.
        """
        text, start, end = self._text, entry.start, entry.value.end
        cuts: list[tuple[int, int, str]] = []
        if entry.comma >= 0:
            if text[end : entry.comma].strip():  # a comment stands between them
                cuts.append((entry.comma, entry.comma + 1, ""))
            else:
                end = entry.comma + 1
        blanks = _BLANKS.match(text, end)
        assert blanks is not None
        line_end = _LINE_END.match(text, blanks.end())
        if self._begins_line(start):
            if line_end:
                start -= len(self._indent_at(start))
                end = line_end.end()
        elif not at_end:
            end = blanks.end() if not line_end else end
        else:
            while text[start - 1] in " \t":
                start -= 1
        return [(start, end, ""), *cuts]

    def _begins_line(self, offset: int) -> bool:
        """Whether only blanks stand before `offset` on its line, which is not the first."""
        line = self._line_start(offset)
        return line > 0 and not self._text[line:offset].strip(" \t")

    def _line_start(self, offset: int) -> int:
        return max(self._text.rfind("\n", 0, offset), self._text.rfind("\r", 0, offset)) + 1

    def _indent_at(self, offset: int) -> str:
        """Return the blanks that the line of `offset` begins with."""
        match = _BLANKS.match(self._text, self._line_start(offset))
        assert match is not None
        return self._text[match.start() : min(match.end(), offset)]

    def _indents(self) -> Iterator[str]:
        """Yield what each entry of the root, and then of the values in it, is indented by."""
        nodes = [self._root]
        for node in nodes:
            base = self._indent_at(node.start)
            for entry in node.entries:
                indent = self._indent_at(entry.start)
                if self._begins_line(entry.start) and indent.startswith(base) and len(indent) > len(base):
                    yield indent[len(base) :]
                nodes.append(entry.value)

    def _apply(self, edits: Iterable[tuple[int, int, str]]) -> str:
        """Return the text after `edits`, which do not overlap; those at the same place keep their order."""
        pieces: list[str] = []
        done = 0
        for start, end, new in sorted(edits, key=lambda edit: edit[:2]):
            pieces += self._text[done:start], new
            done = end
        return "".join((*pieces, self._text[done:]))


def render(value: object) -> str:
    """Return a new document that holds `value`, laid out as the edits lay out what they insert, with a line end."""
    return _render(value, "", "  ", "\n") + "\n"


def _render(value: object, indent: str, unit: str, newline: str) -> str:
    """`value` as JSON; `indent` is that of the line on which it begins."""
    plain = json.dumps(value, ensure_ascii=False)
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    nested = any(isinstance(item, dict) or (isinstance(item, list) and isinstance(value, list)) for item in items)
    if not items or (not nested and len(indent) + len(plain) <= _WIDTH):
        return plain
    inner = indent + unit
    if isinstance(value, dict):
        opening, closing = "{", "}"
        lines = [
            f"{json.dumps(str(k), ensure_ascii=False)}: {_render(v, inner, unit, newline)}" for k, v in value.items()
        ]
    else:
        opening, closing = "[", "]"
        lines = [_render(item, inner, unit, newline) for item in items]
    return f"{opening}{newline}{inner}" + f",{newline}{inner}".join(lines) + f"{newline}{indent}{closing}"
