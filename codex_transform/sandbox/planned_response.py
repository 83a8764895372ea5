"""A response before it is sent: its head, its events, how they are encoded, and how it ends.

Strategy: a response is a plain object, which a fault may edit, and `steps` yields what to do. A step is the smallest
thing that a connection can do (send bytes, wait, break off), so every fault is a pure edit of a `PlannedResponse` and
only `connection.py` touches a socket. Bodies are lazy: a hundred megabytes of events need no memory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from codex_transform.jsonio import dumps

Event = dict[str, Any]


class End(Enum):
    """Ways to end a connection before its response is complete."""

    CUT = "close the connection"
    RESET = "reset the connection (TCP RST)"
    HANG = "send nothing more until the client leaves"


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes for the socket itself, outside HTTP framing. Only Raw or an End may follow."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause."""

    seconds: float


Step = bytes | Raw | Wait | End
Transform = Callable[[Iterator[Step]], Iterator[Step]]


def encode(event: Event) -> bytes:
    """Return an event as OpenAI encodes it: its type as the event's name and again in the JSON, which is one line."""
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), dumps(event))


@dataclass(slots=True)
class PlannedResponse:
    """One HTTP response. Its body is the `events`, unless there is a `body`; `transforms` change the steps in order.

    Headers have lower-case names. Without a content-length the body is sent chunked. Without `head` no status line
    is sent at all, and the body must bring its own (as `Raw`). `origin` is the sandbox's own, as in a URL. `request` is
    the body that is being answered, of `size` bytes.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    events: Iterable[Event] = ()
    encode: Callable[[Event], bytes] = encode
    delay: float = 0.0
    body: Iterable[Step] | None = None
    transforms: list[Transform] = field(default_factory=list)
    head: bool = True
    origin: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    size: int = 0

    def steps(self) -> Iterator[Step]:
        """Return the steps of the body, each to be done as soon as it comes."""
        steps = iter(self.body) if self.body is not None else self._encoded()
        for transform in self.transforms:
            steps = transform(steps)
        return steps

    def replace(self, status: int, content_type: str, body: bytes, **headers: str) -> None:
        """Make this another response, of known length. Underscores in header names become dashes."""
        self.status = status
        self.headers = {
            "content-type": content_type,
            "content-length": str(len(body)),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        self.body = [body] if body else []

    def _encoded(self) -> Iterator[Step]:
        for event in self.events:
            yield self.encode(event)
            if self.delay and event["type"].endswith(".delta"):
                yield Wait(self.delay)


def whole(status: int, payload: object) -> PlannedResponse:
    """Return a response that is one JSON document."""
    planned = PlannedResponse()
    planned.replace(status, "application/json", dumps(payload))
    return planned


Edit = Callable[[PlannedResponse, int], None]
"""A fault's edit of a response, in place. The number says where or how much; what it counts depends on the fault."""
