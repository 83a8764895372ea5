"""The items of a request as the client wrote them: cut out of its body as bytes, and parsed one by one when needed.

A long conversation is megabytes of items, of which a turn changes none and adds a few. msgspec finds where each begins
and ends several times as fast as any parser makes objects of them, and sees to it that they are JSON. Where it refuses
what `jsonio` takes, such as half of a surrogate pair, or is not installed, the standard library does the same, slowly.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from secrets import token_hex
from typing import Any, NamedTuple

from codex_transform.errors import ApiError
from codex_transform.jsonio import dumps, parse_request

try:
    import msgspec
except ImportError:  # beside a mitmproxy that was installed by itself
    msgspec = None  # type: ignore[assignment]

# The white space of JSON (RFC 8259 section 2), and what stands around the items.
_SPACE = rb"[ \t\r\n]*"
_OPENING = re.compile(rb'"input"' + _SPACE + b":" + _SPACE + rb"\[" + _SPACE)
_COMMA = re.compile(_SPACE + b"," + _SPACE)

# Who writes spaces writes them everywhere, so how an item begins is enough to look at.
_COMPACT = re.compile(rb'\{"[^"\\]*":[^\s]')

# What no client can have written.
_MARK = token_hex()
_MARK_JSON = dumps(_MARK)

# How many lists named "input" are tried: tools may have others in their schemas.
_MAX_OPENINGS = 4

NO_ID: Any = object()
"""The id of an item that has none, not even null."""

_AT_HAND = ("type", "role", "call_id", "id")


class Item(Mapping[str, Any]):
    """An item of an input, which never changes: another takes its place, and what it holds is for reading only.

    `view` is its JSON, as bytes or as a view of some, which can be joined; None until one of ours is written. What
    every item is asked for is at hand: its `type`, `role` and `call_id`, None for one that it has not, and its `id` or
    `NO_ID`. The rest of a client's item is parsed anew each time that it is looked at.
    """

    __slots__ = ("_fingerprint", "_members", "call_id", "id", "role", "type", "view")

    def __init__(self, view: Any, kind: Any, role: Any, call_id: Any, item_id: Any) -> None:
        # One by one, which is faster: there are thousands.
        self.view = view
        self.type = kind
        self.role = role
        self.call_id = call_id
        self.id = item_id
        self._members: Mapping[str, Any] | None = None
        self._fingerprint: tuple[int, int] | None = None

    @classmethod
    def of(cls, members: Mapping[str, Any], raw: bytes | None = None) -> "Item":
        """Return the item with these members, and this JSON if it has been written before."""
        get = members.get
        item = cls(raw, get("type"), get("role"), get("call_id"), get("id", NO_ID))
        if raw is None:
            item._members = members
        return item

    @property
    def raw(self) -> bytes:
        """Its JSON."""
        # More than one thread may come here: for either it is the same.
        if (members := self._members) is not None:
            self.view = dumps(members)
            self._members = None
        return self.view if type(self.view) is bytes else bytes(self.view)

    @property
    def fingerprint(self) -> tuple[int, int]:
        """The hash of its JSON, Python's own, and how many bytes that has, without spaces between its members.

        It is kept, so that the items with which many requests begin are hashed once.
        """
        if self._fingerprint is None:
            raw = self.raw
            if not _COMPACT.match(raw):
                with suppress(ApiError):  # it was passed on without being parsed, and cannot be
                    raw = dumps(self.members)
            self._fingerprint = hash(raw), len(raw)
        return self._fingerprint

    @property
    def members(self) -> dict[str, Any]:
        """All of it, fresh and free to be changed. Raises ApiError 400 for what `parse_request` would not take."""
        return parse_request(self.raw, part=True)

    def __getitem__(self, name: str) -> Any:
        if name in _AT_HAND and (value := getattr(self, name)) is not None and value is not NO_ID:
            return value
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return False
        return self is other or self._read() == (other._read() if type(other) is Item else other)

    __hash__ = None  # type: ignore[assignment]

    def _read(self) -> Mapping[str, Any]:
        members = self._members
        return self.members if members is None else members


def members_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of an item, free to be changed, whether it is a client's or one of ours."""
    return item.members if type(item) is Item else dict(item)


class Cut(NamedTuple):
    """A request in two parts: `rest` is its JSON without the items, which stood from `start` to `end`.

    `body` is `rest` parsed. In the place of the items it has a mark.
    """

    rest: bytes
    body: dict[str, Any]
    items: list[Item]
    start: int
    end: int


def cut_items(content: bytes) -> Cut | None:
    """Cut the items out of the JSON of a request.

    Return None for what is no request with a list of objects, or not written as programs write it: that is left to
    `parse_request`, whose errors say what is wrong. An item may be what that would not take in one point: numbers in it
    have not been looked at, nor how deeply it is nested.
    """
    fast = _cut_fast(content)
    for number, opening in enumerate(_OPENING.finditer(content)):
        if number >= _MAX_OPENINGS:
            break
        start = opening.end()
        items, end = (fast, _end(content, fast, start)) if fast is not None else _cut_slowly(content, start)
        if end is None:
            continue
        rest = content[:start] + _MARK_JSON + content[end:]
        try:
            body = parse_request(rest, part=True)
        except ApiError:
            continue
        # Else it was another list of that name, or a second one counts.
        if body.get("input") == [_MARK]:
            return Cut(rest, body, items, start, end)
    return None


def _end(content: bytes, items: list[Item], start: int) -> int | None:
    """Return where these items end if they begin at `start`, None if they do not."""
    end = start
    for item in items:
        if end > start:
            # Programs write nothing else between two items, and a look is much faster than a search.
            if content.startswith(b",{", end):
                end += 1
            elif comma := _COMMA.match(content, end):
                end = comma.end()
            else:
                return None
        if not content.startswith(item.view, end):
            return None
        end += len(item.view)
    return end


if msgspec is not None:

    class _Members(msgspec.Struct, gc=False):
        type: Any = None
        role: Any = None
        call_id: Any = None
        id: Any = NO_ID

    class _Request(msgspec.Struct):
        input: list[msgspec.Raw]

    _read_request = msgspec.json.Decoder(_Request).decode
    _read_item = msgspec.json.Decoder(_Members).decode


def _cut_fast(content: bytes) -> list[Item] | None:
    if msgspec is None:
        return None
    try:
        raws: list[Any] = _read_request(content).input
        # It does not look at the bytes of texts that it passes over.
        for raw in () if content.isascii() else map(bytes, raws):
            if not raw.isascii():
                raw.decode()
        members = [_read_item(raw) for raw in raws]
        # They are views, which keep all of it in memory: that is worth it where they are most of it.
        if 2 * sum(map(len, raws)) < len(content):
            raws = [bytes(raw) for raw in raws]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return [Item(raw, each.type, each.role, each.call_id, each.id) for raw, each in zip(raws, members, strict=True)]


def _cut_slowly(content: bytes, start: int) -> tuple[list[Item], int | None]:
    """Return the items that begin at `start`, and where they end; None if they are none."""
    items = []
    try:
        text = content[start:].decode()
        at, comma = 0, re.compile(_COMMA.pattern.decode())
        while text[at] == "{":
            members, end = _decoder.raw_decode(text, at)
            items.append(Item.of(members, text[at:end].encode()))
            following = comma.match(text, end)
            at = following.end() if following else end
    except (ValueError, RecursionError, IndexError):
        return [], None
    # A comma at the end stays behind, where the parser finds it.
    return items, _end(content, items, start)


def _reject_constant(name: str) -> Any:
    raise ValueError(name)


_decoder = json.JSONDecoder(parse_constant=_reject_constant)
