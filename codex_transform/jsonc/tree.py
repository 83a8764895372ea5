"""The offsets of everything in a JSONC text.

The tree holds only offsets, so that an editor of the text leaves alone what it does not change. It is built from tokens
without recursion; the text is known to be valid, so nothing is checked here.
"""

import json
import re
from dataclasses import dataclass, field

Step = str | int
"""The name of a member, or the number of an item."""

_TOKEN = re.compile(
    r"""
    (?P<string> "(?:[^"\\]++|\\.)*+" )
  | (?P<comment> //[^\r\n]* | /\*.*?\*/ )
  | (?P<mark> [\[\]{},:] )
  | (?P<word> [^\s"/\[\]{},:\ufeff]+ )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(slots=True, eq=False)
class Node:
    """A value: `start` and `end` are its offsets; `kind` is the bracket that opens it, or empty."""

    start: int
    kind: str = ""
    end: int = 0
    entries: "list[Entry]" = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Entry:
    """A member or an item: `start` is where its key begins, `comma` the offset of the comma after it, or -1."""

    name: Step
    start: int
    value: Node
    comma: int = -1


def tree(text: str) -> tuple[Node, list[tuple[int, int]]]:
    """Return the root value, and the spans of the comments in order. `parser.parse` must accept `text`."""
    comments: list[tuple[int, int]] = []
    root: Node | None = None
    open_nodes: list[Node] = []
    key: tuple[str, int] | None = None  # the member whose value comes next: its name, where it begins
    for match in _TOKEN.finditer(text):
        token, (start, end) = match[0], match.span()
        if match.lastgroup == "comment":
            comments.append((start, end))
            continue
        if token in ("]", "}"):
            open_nodes.pop().end = end
            continue
        if token == ",":
            open_nodes[-1].entries[-1].comma = start
            continue
        if token == ":":
            continue
        parent = open_nodes[-1] if open_nodes else None
        if parent and parent.kind == "{" and key is None:
            key = json.loads(token), start
            continue
        node = Node(start, token if token in ("[", "{") else "", end)
        if parent is None:
            root = node
        else:
            name, begins = key or (len(parent.entries), start)
            parent.entries.append(Entry(name, begins, node))
            key = None
        if node.kind:
            open_nodes.append(node)
    assert root is not None
    return root, comments
