"""Which item of the output an event is about, and the one id and index that each item has.

Endpoints leave out indexes and ids, change them on the way, or use one for several items, one after the other.
"""

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
        self._items: list[ItemGrowth] = []
        self._next_index = 0
        # By the index that the endpoint gives them: it may use one for several items, one after the other.
        self._by_index: dict[int, ItemGrowth] = {}
        self.latest: ItemGrowth | None = None

    @property
    def items(self) -> list[ItemGrowth]:
        """The items that have begun, in their order."""
        return sorted(self._items, key=lambda growth: growth.place)

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
            growth.id = identity or made_up_id(growth.type or item_type, growth.place)
        self.latest = growth
        return growth

    def find(self, given: Any, identity: str | None) -> ItemGrowth | None:
        """Return the item with the index that the endpoint gave, or if it gave none, with this id."""
        if type(given) is int:
            return self._by_index.get(given)
        return next((growth for growth in self._items if identity and growth.id == identity), None)

    def new(self, given: Any) -> ItemGrowth:
        """Begin an item, in the place that it was given if that is still free."""
        taken = {growth.place for growth in self._items}
        place = given if type(given) is int and given not in taken else max(taken, default=-1) + 1
        growth = ItemGrowth(None, place=place)
        self._items.append(growth)
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
        identity = jsonio.text_or_none(item.get("id"))
        if growth.id is None:
            growth.id = identity or made_up_id(item.get("type"), growth.place)
            if any(other.id == growth.id for other in self._items if other is not growth):
                growth.id = f"{growth.id}_{growth.place}"
        if identity == growth.id:
            return False
        if identity:
            self.given_ids[growth.id] = identity
        item["id"] = growth.id
        return True

    def set_place(self, event: Event, growth: ItemGrowth) -> set[str]:
        """Give an event the one id and index of its item."""
        place = {"output_index": self.number(growth), "item_id": growth.id}
        wrong = {name for name, value in place.items() if event.get(name) != value or type(event[name]) is bool}
        event.update({name: place[name] for name in wrong})
        return wrong

    def match(self, given: list[Event]) -> tuple[list[tuple[ItemGrowth, Event | None]], Iterator[tuple[int, Event]]]:
        """Return for each item that has begun what the answer's output has in its place, and what else it has."""
        rest = dict(enumerate(given))
        pairs: list[tuple[ItemGrowth, Event | None]] = []
        begun = self.items
        for same in (_same_id, _same_type):
            for growth in list(begun):
                found = next((place for place, item in rest.items() if same(growth, item)), None)
                if found is not None:
                    pairs.append((growth, rest.pop(found)))
                    begun.remove(growth)
        pairs += [(growth, None) for growth in begun]
        return sorted(pairs, key=lambda pair: pair[0].place), iter(rest.items())


def _same_id(growth: ItemGrowth, item: Event) -> bool:
    return growth.id is not None and growth.id == item.get("id")


def _same_type(growth: ItemGrowth, item: Event) -> bool:
    return growth.type in ("", item.get("type"))
