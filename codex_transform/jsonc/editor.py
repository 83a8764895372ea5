"""Edit JSONC and leave everything else as its owner wrote it.

An edit is a few removals and insertions in the old text, at offsets from its tree, so comments, order, indentation,
line ends, trailing commas and a byte order mark stay byte for byte. What is inserted takes its indentation, line ends
and commas from what surrounds it. Of members with the same name the last one counts, as in every JSON parser: it is the
one that is changed, but all of them are removed.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from codex_transform.jsonc import parser
from codex_transform.jsonc.tree import Entry, Node, Step, tree

JsonPath = tuple[Step, ...]
"""The place of a value: the names of members and the indexes of items on the way to it."""

_LINE_END = re.compile(r"\r\n|\n|\r")
_SAME_LINE = re.compile(r"(?:[ \t]|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_BLANKS = re.compile(r"[ \t]*")
_WIDTH = 110  # an object or a list that is not longer, and contains no other, goes on one line


class Document:
    """A JSONC text and its edits. It is immutable: each edit returns the new text."""

    def __init__(self, text: str) -> None:
        """Parse `text`. Raises parser.JsonError, with the position, if it is no valid JSONC."""
        self.value: Any = parser.parse(text)
        self._text = text
        self._root, self._comments = tree(text)
        match = _LINE_END.search(text)
        self._newline = match[0] if match else "\n"
        self._indent_unit = next(self._indents(), "  ")

    def merge_missing(self, members: Mapping[str, Any]) -> str:
        """Return the text with the missing ones of `members` added, at every depth. Existing values stay.

        Raises ValueError if the document is no object.
        """
        edits: list[tuple[int, int, str]] = []
        self._fill(self._root, members, edits)
        return self._apply(edits)

    def append(self, path: JsonPath, items: Sequence[Any]) -> str:
        """Return the text with `items` added at the end of the list at `path`.

        Raises ValueError if there is no list.
        """
        node = self._find(path)
        if node is None or node.kind != "[":
            raise ValueError(f"{'.'.join(map(str, path))} must be a list in brackets")
        return self._apply(self._insertions(node, items) if items else ())

    def set(self, path: tuple[str, ...], value: object) -> str:
        """Return the text with `value` at `path`, replacing what was there. Missing objects on the way are created.

        Raises ValueError if something on the way is no object.
        """
        node = self._find(path)
        if node is not None:
            rendered = _render(value, self._indent_at(node.start), self._indent_unit, self._newline)
            return self._apply([(node.start, node.end, rendered)])
        nested = value
        for step in reversed(path):
            nested = {step: nested}
        assert isinstance(nested, dict)
        for depth in range(len(path)):
            parent = self._find(path[:depth])
            if parent is not None and parent.kind != "{":
                raise ValueError(f"{'.'.join(path[:depth]) or 'the document'} must be an object in braces")
        return self.merge_missing(nested)

    def remove(self, paths: Iterable[JsonPath]) -> str:
        """Return the text without the members and items at `paths`. A path that does not exist is ignored.

        Comments stay, except those inside what is removed.
        """
        targets = set(paths)
        edits: list[tuple[int, int, str]] = []
        pending: list[tuple[JsonPath, Node]] = [((), self._root)]
        while pending:
            path, node = pending.pop()
            removed = [entry for entry in node.entries if (*path, entry.name) in targets]
            edits += self._removals(node, removed)
            pending += (((*path, entry.name), entry.value) for entry in node.entries if entry not in removed)
        return self._apply(edits)

    def has(self, path: JsonPath) -> bool:
        """Return whether there is a value at `path`."""
        return self._find(path) is not None

    def has_comment(self, path: JsonPath) -> bool:
        """Return whether `remove` would remove a comment together with the member or item at `path`."""
        parent = self._find(path[:-1])
        entries = [entry for entry in parent.entries if entry.name == path[-1]] if parent else []
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
                raise ValueError("the document must be an object in braces")
            return
        present = {entry.name: entry.value for entry in node.entries}
        for name in members.keys() & present.keys():
            if isinstance(members[name], Mapping):
                self._fill(present[name], members[name], edits)
        missing = {name: value for name, value in members.items() if name not in present}
        if missing:
            edits += self._insertions(node, missing)

    def _insertions(self, node: Node, added: Mapping[str, Any] | Sequence[Any]) -> list[tuple[int, int, str]]:
        """Return the edits that insert the members or items `added` after the last entry of `node`."""
        text, last = self._text, node.entries[-1] if node.entries else None
        edits: list[tuple[int, int, str]] = []
        trailing = last is not None and last.comma >= 0
        if last is not None and not trailing:
            edits.append((last.value.end, last.value.end, ","))
        after = node.start + 1 if last is None else (last.comma + 1 if trailing else last.value.end)
        offset = self._insert_offset(node, after)
        own_line = last is not None and self._begins_line(last.start)
        base = self._indent_at(node.start)
        indent = self._indent_at(last.start) if own_line and last is not None else base + self._indent_unit
        named = (
            [(f"{json.dumps(name, ensure_ascii=False)}: ", value) for name, value in added.items()]
            if isinstance(added, Mapping)
            else [("", value) for value in added]
        )
        rendered = [name + _render(value, indent, self._indent_unit, self._newline) for name, value in named]
        fits = not any(_LINE_END.search(each) for each in rendered) and sum(map(len, rendered)) <= _WIDTH
        if not own_line and fits and node is not self._root and not _LINE_END.search(text, node.start, node.end):
            inserted = ("" if last is None else " ") + ", ".join(rendered)
            edits.append((offset, offset, inserted + ("," if trailing else "")))
            return edits
        lead = self._newline + indent
        inserted = lead + f",{lead}".join(rendered) + ("," if trailing else "")
        rest = _SAME_LINE.match(text, offset)
        assert rest is not None
        if text[rest.end()] == ("}" if node.kind == "{" else "]") and not own_line:
            inserted += self._newline + base
        edits.append((offset, offset, inserted))
        return edits

    def _insert_offset(self, node: Node, after: int) -> int:
        """Return where a new entry goes: after the offset `after` and the comments on that line.

        Without entries it is after all comments, so that one at the end of a line does not swallow the entry.
        """
        if not node.entries:
            inside = [end for start, end in self._comments if after <= start < node.end]
            return inside[-1] if inside else after
        match = _SAME_LINE.match(self._text, after)
        assert match is not None
        stop = match.end()
        inside = [end for start, end in self._comments if after <= start < stop]
        return inside[-1] if inside else after

    def _removals(self, node: Node, removed: list[Entry]) -> Iterator[tuple[int, int, str]]:
        """Yield the edits that remove the entries `removed` from `node`."""
        remaining = [entry for entry in node.entries if entry not in removed]
        if removed and not remaining and not self._comments_between(node):
            yield node.start + 1, node.end - 1, ""  # only the brackets stay
            return
        last = remaining[-1].start if remaining else -1
        for entry in removed:
            yield from self._removal(entry, at_end=entry.start > last)
        if removed and remaining and node.entries[-1].comma < 0 and node.entries[-1] in removed:
            yield remaining[-1].comma, remaining[-1].comma + 1, ""

    def _comments_between(self, node: Node) -> bool:
        """Return whether `node` contains a comment that is in none of its entries."""
        return any(
            node.start < start < node.end and not any(e.start < start < e.value.end for e in node.entries)
            for start, _ in self._comments
        )

    def _removal(self, entry: Entry, *, at_end: bool) -> list[tuple[int, int, str]]:
        """Return the edits that remove one entry with its comma.

        The line goes too if there is nothing else on it, else the blanks after the entry. With `at_end` no remaining
        entry follows; then the blanks before it go.
        """
        text, start, end = self._text, entry.start, entry.value.end
        edits: list[tuple[int, int, str]] = []
        if entry.comma >= 0:
            if text[end : entry.comma].strip():  # there is a comment between them
                edits.append((entry.comma, entry.comma + 1, ""))
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
        return [(start, end, ""), *edits]

    def _begins_line(self, offset: int) -> bool:
        """Return whether there are only blanks before `offset` on its line, which is not the first."""
        line = self._line_start(offset)
        return line > 0 and not self._text[line:offset].strip(" \t")

    def _line_start(self, offset: int) -> int:
        return max(self._text.rfind("\n", 0, offset), self._text.rfind("\r", 0, offset)) + 1

    def _indent_at(self, offset: int) -> str:
        """Return the indentation of the line of `offset`."""
        match = _BLANKS.match(self._text, self._line_start(offset))
        assert match is not None
        return self._text[match.start() : min(match.end(), offset)]

    def _indents(self) -> Iterator[str]:
        """Yield the indentation of each entry of the root, and then of the values in it, relative to its parent."""
        nodes = [self._root]
        for node in nodes:
            base = self._indent_at(node.start)
            for entry in node.entries:
                indent = self._indent_at(entry.start)
                if self._begins_line(entry.start) and indent.startswith(base) and len(indent) > len(base):
                    yield indent[len(base) :]
                nodes.append(entry.value)

    def _apply(self, edits: Iterable[tuple[int, int, str]]) -> str:
        """Return the text after `edits`, which do not overlap; those at the same offset keep their order."""
        pieces: list[str] = []
        done = 0
        for start, end, new in sorted(edits, key=lambda edit: edit[:2]):
            pieces += self._text[done:start], new
            done = end
        return "".join((*pieces, self._text[done:]))


def render(value: object) -> str:
    """Return a new document with `value`, formatted as the edits format what they insert, with a line end."""
    return _render(value, "", "  ", "\n") + "\n"


def _render(value: object, indent: str, unit: str, newline: str) -> str:
    """Return `value` as JSON; `indent` is that of the line on which it begins."""
    compact = json.dumps(value, ensure_ascii=False)
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    nested = any(isinstance(item, dict) or (isinstance(item, list) and isinstance(value, list)) for item in items)
    if not items or (not nested and len(indent) + len(compact) <= _WIDTH):
        return compact
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
