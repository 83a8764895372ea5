"""A client's request, read, and a Codex request, written: what no step changes leaves as the client wrote it.

The bytes of a conversation's previous request, up to the end of its items, are nearly always those with which the next
one begins. Then these items are taken over from there (see `prefix_memory.py`), with all that has been found out about
them, and what is read is the request without them, which is a request by itself.
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from codex_transform.jsonio import FULL_CHECK_LIMIT, dumps, parse_request
from codex_transform.request.raw_items import Item, cut_items

# What follows the items that are known: the end of the list, or another item.
_FOLLOWING = re.compile(rb"[ \t\r\n]*(?:,[ \t\r\n]*(?=\{)|(?=\]))")


class Items(list[Any]):
    """The items of a client's input.

    `made` is what a step made of the first of them, or of those that another request began with: they never change, so
    it holds for every request. What is no object is a plain value.
    """

    made: object = None


class ClientRequest(NamedTuple):
    """A request as it came.

    `content` is its JSON and `body` the same parsed, with `Items` if its input is a list; that one is for the steps,
    which change it. `rest` is its JSON without the items, which stand from `start` to `end` in `content`; all of it if
    it was not cut.
    """

    content: bytes
    body: dict[str, Any]
    rest: bytes
    items: Items
    start: int = 0
    end: int = 0

    def parse(self) -> dict[str, Any]:
        """Return the body as it came, which the steps have not changed."""
        body = parse_request(self.rest)
        return {**body, "input": self.items} if isinstance(body.get("input"), list) else body


def read_request(content: bytes, known: ClientRequest | None = None) -> ClientRequest:
    """Read a request, of which `known` is the beginning: up to the end of its items it has the same bytes.

    Raises ApiError 400 as `parse_request` does.
    """
    if len(content) <= FULL_CHECK_LIMIT:
        parse_request(content)
    if known and (following := _FOLLOWING.match(content, known.end)):
        cut = cut_items(known.content[: known.start] + content[following.end() :])
        # Else a second list of items follows the known ones, and counts.
        if cut and cut.start == known.start:
            items = Items([*known.items, *cut.items])
            items.made = known.items.made
            cut.body["input"] = items
            return ClientRequest(content, cut.body, cut.rest, items, cut.start, cut.end + following.end() - cut.start)
    if cut := cut_items(content):
        cut.body["input"] = items = Items(cut.items)
        return ClientRequest(content, cut.body, cut.rest, items, cut.start, cut.end)
    body = parse_request(content)
    items = Items()
    if isinstance(body.get("input"), list):
        body["input"] = items = as_items(body["input"])
    return ClientRequest(content, body, content, items)


def as_items(values: Iterable[Any]) -> Items:
    """Return the items of an input that is parsed already, in whole or in part."""
    return Items(Item.of(each) if type(each) is dict else each for each in values)


def write_request(body: dict[str, Any]) -> bytes:
    """Return the JSON of a request; items that no step has changed are in it as the client wrote them."""
    items = body.get("input")
    if not isinstance(items, list) or not items:
        return dumps(body)
    names = list(body)
    place = names.index("input")
    before = dumps({name: body[name] for name in names[:place]})[:-1]
    after = dumps({name: body[name] for name in names[place + 1 :]})[1:]
    written = [(item.view or item.raw) if type(item) is Item else dumps(item) for item in items]
    # In one go: what is joined may be megabytes.
    written[0] = b"".join((before, b',"input":[' if place else b'"input":[', written[0]))
    written[-1] = b"".join((written[-1], b"]," if len(after) > 1 else b"]", after))
    return b",".join(written)
