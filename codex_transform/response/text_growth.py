"""How one text of an output item grows: what has passed of it, and what it is so far.

Strategy: deltas that need no change are kept as the bytes that came, and are read when the text is asked for.
"""

from typing import Any

from codex_transform.response.delta_template import joined_deltas, read_deltas
from codex_transform.response.text_kinds import TextKind

# Bytes of deltas that are kept as they came.
_MOST_UNREAD = 1 << 16


class Text:
    """What has passed of one text: the opening of its part, deltas, the whole text, the end of its part.

    `part` is the part as the last event told it, `notes` are the annotations. `size` is how much is kept of the deltas.
    With `lost`, the text is too long to be kept, and nobody has told it since.
    """

    def __init__(self, kind: TextKind) -> None:
        self.kind = kind
        self.opened = self.grown = self.ended = self.closed = False
        self.part: dict[str, Any] = {}
        self.notes: list[Any] = []
        self.size = 0
        self.lost = False
        self._whole: str | None = None
        self._pieces: list[str | bytes] = []
        self._unread: list[bytes] = []
        self._unread_size = 0

    def grow(self, delta: str) -> None:
        """Take a delta, whether it has passed or is withheld."""
        self._read()
        self._pieces.append(delta)
        self.size += len(delta)

    def grow_unread(self, events: bytes) -> None:
        """Take events with deltas that have passed unparsed."""
        self._unread.append(events)
        self._unread_size += len(events)
        if self._unread_size > _MOST_UNREAD:
            self._read()

    def end(self, whole: Any) -> None:
        """Take the whole text, if it is one: the deltas are needed no more."""
        if isinstance(whole, str):
            self.forget()
            self._whole, self.lost = whole, False

    def lose(self) -> None:
        """Forget the text: there is no room for it."""
        self.forget()
        self.lost = True

    def forget(self) -> None:
        """Forget what the text is."""
        self._whole = None
        self._pieces.clear()
        self._unread.clear()
        self._unread_size = self.size = 0

    @property
    def value(self) -> str:
        """The text as far as it is known."""
        if self._whole is not None:
            return self._whole
        self._read()
        return "".join(read_deltas(piece) if isinstance(piece, bytes) else piece for piece in self._pieces)

    def _read(self) -> None:
        if self._unread:
            written = b"".join(map(joined_deltas, self._unread))
            self._pieces.append(written)
            self.size += len(written)
            self._unread.clear()
            self._unread_size = 0
