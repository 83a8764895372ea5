"""Which item of the output an event is about, and the one id and index that each item has.

Endpoints leave out indexes and ids, change them on the way, or use one for several items, one after the other.
"""

from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any

from codex_transform import jsonio
from codex_transform.response.item_growth import ItemGrowth
from codex_transform.response.item_members import made_up_id
from codex_transform.response.text_kinds import OF_TEXT

Event = dict[str, Any]


class OutputOrder:
    """The items of one answer, each with its place, id and index.

    `given_ids` has the last id that the endpoint gave an item, by the one that it has, if that is another. `latest` is
    the item that the last event was about.
    """

    def __init__(self) -> None:
        self.given_ids: dict[str, str] = {}
        self._items: dict[int, ItemGrowth] = {}  # by place
        self._unfinished: deque[ItemGrowth] = deque()
        self._next_place = self._next_index = 0
        # By the index that the endpoint gives them: it may use one for several items, one after the other.
        self._by_index: dict[int, ItemGrowth] = {}
        self._by_id: dict[str, ItemGrowth] = {}
        self.latest: ItemGrowth | None = None

    @property
    def items(self) -> list[ItemGrowth]:
        """The items that have begun, in their order."""
        return [self._items[place] for place in sorted(self._items)]

    def locate(self, event: Event) -> ItemGrowth:
        """Return the item that an event is about: by its index, its id, or because it is the latest."""
        given, identity = event.get("output_index"), jsonio.text_or_none(event.get("item_id"))
        growth = self.find(given, identity)
        if growth is None and type(given) is not int:
            growth = self.latest
        if growth is None:
            growth = self.new(given)
        if growth.id is None:
            about = OF_TEXT.get(event["type"])
            item_type = about[0] if about else "reasoning" if "summary" in event["type"] else "message"
            self._set_id(growth, identity or made_up_id(growth.type or item_type, growth.place))
        self.latest = growth
        return growth

    def find(self, given: Any, identity: str | None) -> ItemGrowth | None:
        """Return the item with the index that the endpoint gave, or if it gave none, with this id."""
        if type(given) is int:
            return self._by_index.get(given)
        return self._by_id.get(identity) if identity else None

    def first_unfinished(self) -> ItemGrowth | None:
        """Return the item that began first of those that are not done."""
        while self._unfinished and self._unfinished[0].done:
            self._unfinished.popleft()
        return self._unfinished[0] if self._unfinished else None

    def new(self, given: Any) -> ItemGrowth:
        """Begin an item, in the place that it was given if that is still free."""
        place = given if type(given) is int and given not in self._items else self._next_place
        growth = ItemGrowth(None, place=place)
        self._items[place] = growth
        self._next_place = max(self._next_place, place + 1)
        self._unfinished.append(growth)
        self._by_index[given if type(given) is int else place] = growth
        return growth

    def number(self, growth: ItemGrowth) -> int:
        """Return the index of an item, which is the next one if it has none yet.

        Relays that hide reasoning count it all the same. The API leaves no gap, and OpenAI's SDK 2 for Python takes an
        index for the place among the items that it has been told of.
        """
        if growth.index is None:
            growth.index = self._next_index
            self._next_index += 1
        return growth.index

    def identify(self, item: Event, growth: ItemGrowth) -> bool:
        """Give an item its one id; True if it has another."""
        given, own = jsonio.text_or_none(item.get("id")), growth.id
        if own is None:
            own = given or made_up_id(item.get("type"), growth.place)
            own = self._set_id(growth, f"{own}_{growth.place}" if own in self._by_id else own)
        if given == own:
            return False
        if given:
            self.given_ids[own] = given
        item["id"] = own
        return True

    def _set_id(self, growth: ItemGrowth, own: str) -> str:
        growth.id = own
        self._by_id.setdefault(own, growth)
        return own

    def set_place(self, event: Event, growth: ItemGrowth) -> set[str]:
        """Give an event the one id and index of its item."""
        place = {"output_index": self.number(growth), "item_id": growth.id}
        wrong = {name for name, value in place.items() if event.get(name) != value or type(event[name]) is bool}
        event.update({name: place[name] for name in wrong})
        return wrong

    def match(self, given: list[Event]) -> tuple[list[tuple[ItemGrowth, Event | None]], Iterator[tuple[int, Event]]]:
        """Return for each item that has begun what the answer's output has in its place, and what else it has."""
        rest = dict(enumerate(given))
        by_id: defaultdict[str | None, deque[int]] = defaultdict(deque)
        by_type: defaultdict[str | None, deque[int]] = defaultdict(deque)
        for place, item in rest.items():
            by_id[jsonio.text_or_none(item.get("id"))].append(place)
            by_type[jsonio.text_or_none(item.get("type"))].append(place)
        pairs: dict[ItemGrowth, Event | None] = {
            growth: _take_first(by_id[growth.id], rest) if growth.id else None for growth in self.items
        }
        for growth in [growth for growth, item in pairs.items() if item is None]:
            pairs[growth] = _take_first(by_type[growth.type] if growth.type else deque(rest), rest)
        return list(pairs.items()), iter(rest.items())


def _take_first(places: deque[int], rest: dict[int, Event]) -> Event | None:
    """Take the first item of `rest` that is in one of these places."""
    while places:
        if (item := rest.pop(places.popleft(), None)) is not None:
            return item
    return None
