"""An answer before it is sent: what its head says, which events follow, how they are spelt, and how it ends.

Strategy: an answer is a plain object that a misbehaviour may edit, and `play` turns it into steps. A step is the
smallest thing that a connection can do (send bytes, wait, break off), so every fault is a pure edit of a
`PlannedResponse` and only `connection.py` touches a socket. Bodies are lazy: a hundred megabytes of events need no
memory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from codex_transform.jsonio import dumps

Event = dict[str, Any]


class End(Enum):
    """Ways to leave a client before its answer is whole."""

    CUT = "close the connection"
    RESET = "reset the connection (TCP RST)"
    HANG = "send nothing more until the client leaves"


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes for the socket itself, past all HTTP framing. Nothing but Raw or an End may come after it."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause."""

    seconds: float


Step = bytes | Raw | Wait | End
Shape = Callable[[Iterator[Step]], Iterator[Step]]


def spell(event: Event) -> bytes:
    """One event as OpenAI spells it: its type once as the event's name and once in the JSON of a single line."""
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), dumps(event))


@dataclass(slots=True)
class PlannedResponse:
    """One HTTP answer. `events` are spelt by `spell` unless there is a `body`; `shapes` edit the steps in order.

    Headers have lower-case names. Without a content-length the body is sent chunked. Without `head` no status line
    is sent at all, and the body must bring its own (as `Raw`). `origin` is the sandbox's own, as in a URL. `request` is
    the body that is being answered, of `size` bytes.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    events: Iterable[Event] = ()
    spell: Callable[[Event], bytes] = spell
    delay: float = 0.0
    body: Iterable[Step] | None = None
    shapes: list[Shape] = field(default_factory=list)
    head: bool = True
    origin: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    size: int = 0

    def play(self) -> Iterator[Step]:
        """Yield the steps of the body, each to be sent at once when it comes."""
        steps = iter(self.body) if self.body is not None else self._spelt()
        for shape in self.shapes:
            steps = shape(steps)
        return steps

    def replace(self, status: int, content_type: str, body: bytes, **headers: str) -> None:
        """Make this a whole other answer of known length. Underscores in header names become dashes."""
        self.status = status
        self.headers = {
            "content-type": content_type,
            "content-length": str(len(body)),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        self.body = [body] if body else []

    def _spelt(self) -> Iterator[Step]:
        for event in self.events:
            yield self.spell(event)
            if self.delay and event["type"].endswith(".delta"):
                yield Wait(self.delay)


def whole(status: int, payload: object) -> PlannedResponse:
    """Return an answer that is one JSON document."""
    script = PlannedResponse()
    script.replace(status, "application/json", dumps(payload))
    return script


Edit = Callable[[PlannedResponse, int], None]
"""A misbehaviour: changes a script in place. The number says where or how much, each misbehaviour in its own way."""
