"""Edits of a request that an endpoint refused, as plain data.

Strategy: an edit says what it leaves out by digests of it, so it can be applied to the same conversation in every later
turn, with the same bytes as a result, and does nothing to another one. Items are never changed in place: another takes
the place of one. Nothing that the user wrote is lost: a message keeps its text, a tool output becomes a message, and a
line takes the place of an image or a file, and names it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from pydantic_core import ValidationError

from codex_transform import jsonio
from codex_transform.attempts.attachments import attachments
from codex_transform.attempts.json_path import Path, dotted, find, remove
from codex_transform.clients.client import CLIENTS, OTHER
from codex_transform.jsonio import dumps
from codex_transform.request.changes import Changes
from codex_transform.request.input_items import message, pair_calls
from codex_transform.request.instructions import keep_instructions, use_codex_instructions
from codex_transform.request.orphan_outputs import orphan_text
from codex_transform.request.raw_items import members_of

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Body = dict[str, Any]


class Edit(Protocol):
    """One change of a request; edits that are equal do the same."""

    @property
    def what(self) -> str:
        """What is done, as the end of a sentence such as "sent again without …": `without include`."""

    def apply(self, body: Body, changes: Changes) -> bool:
        """Change the body in place and note it; return False if there was nothing to change."""


def can_edit(body: Body) -> bool:
    """Return whether there may be edits: the input is a list of objects, unless a Codex request came otherwise."""
    items = body.get("input")
    return isinstance(items, list) and all(isinstance(item, Mapping) for item in items)


@dataclass(frozen=True, slots=True)
class DropParameter:
    """Leaves out a parameter by its path, in which `*` stands for every index: `("tools", "*", "strict")`."""

    path: Path

    @property
    def what(self) -> str:
        """What is done."""
        return f"without {dotted(self.path)}"

    def apply(self, body: Body, changes: Changes) -> bool:
        """Remove it."""
        found = remove([body], self.path)
        if found:
            changes.note("removed", dotted(self.path), "The endpoint refused a request with it.")
        return found


@dataclass(frozen=True, slots=True)
class DropTools:
    """Leaves out the tools of a type that the endpoint does not have, such as `web_search`."""

    type: str

    @property
    def what(self) -> str:
        """What is done."""
        return f"without the tool {self.type}"

    def apply(self, body: Body, changes: Changes) -> bool:
        """Remove them."""
        tools = body.get("tools")
        if not isinstance(tools, list):
            return False
        kept = [tool for tool in tools if not (isinstance(tool, dict) and tool.get("type") == self.type)]
        if len(kept) == len(tools):
            return False
        body["tools"] = kept
        changes.note("removed", f"tools[type={self.type}]", "The endpoint refused a request with it.")
        return True


@dataclass(frozen=True, slots=True)
class DropReasoning:
    """Leaves out the reasoning items whose encrypted content has one of these digests."""

    digests: frozenset[str]

    @property
    def what(self) -> str:
        """What is done."""
        return "without the encrypted reasoning so far"

    def apply(self, body: Body, changes: Changes) -> bool:
        """Remove them."""
        items = body["input"]
        dropped = {index for index, item in enumerate(items) if self._holds(item)}
        if not dropped:
            return False
        body["input"] = [item for index, item in enumerate(items) if index not in dropped]
        changes.note(
            "removed", "input[*].encrypted_content", "The endpoint could not decrypt the reasoning up to this point."
        )
        return True

    def _holds(self, item: Mapping[str, Any]) -> bool:
        content = encrypted_reasoning(item)
        return content is not None and digest(content) in self.digests


@dataclass(frozen=True, slots=True)
class DropMember:
    """Leaves out a member of all items of a type; `path` leads to it within the item, `*` stands for every index."""

    type: str
    path: Path

    @property
    def what(self) -> str:
        """What is done."""
        return f"without {'.'.join(map(str, self.path))} of {self.type} items"

    def apply(self, body: Body, changes: Changes) -> bool:
        """Remove it."""
        items, found = body["input"], False
        for index, item in enumerate(items):
            if item.get("type") == self.type and remove([members := members_of(item)], self.path):
                items[index], found = members, True
        if found:
            changes.note("removed", dotted(("input", "*", *self.path)), "The endpoint refused an item with it.")
        return found


@dataclass(frozen=True, slots=True)
class DropItems:
    """Leaves out the items of a type in which the value at `path` has the digest `value`.

    A tool output stays as a message, and its call goes with it.
    """

    type: str
    path: Path
    value: str

    @property
    def what(self) -> str:
        """What is done."""
        return f"without {self.type} items"

    def apply(self, body: Body, changes: Changes) -> bool:
        """Remove them, and pair the calls and outputs that are left."""
        kept: list[Mapping[str, Any]] = []
        called: set[object] = set()
        found = False
        for item in body["input"]:
            if not self._matches(item):
                kept.append(item)
                continue
            found = True
            if self.type.endswith("_output"):
                kept.append(message("assistant", orphan_text(item)))
                called.add(item.get("call_id"))
        if found:
            items = [item for item in kept if not (_is_call(item) and item.get("call_id") in called)]
            body["input"] = pair_calls(items, changes)
            changes.note("removed", "input[*]", f"The endpoint refused a request with this {self.type} item.")
        return found

    def _matches(self, item: Mapping[str, Any]) -> bool:
        return item.get("type") == self.type and digest(find(item, self.path)) == self.value


@dataclass(frozen=True, slots=True)
class ReplaceAttachments:
    """Puts a line of text in the place of images and files with one of these digests; `why` ends the line."""

    digests: frozenset[str]
    why: str

    @property
    def what(self) -> str:
        """What is done."""
        number = len(self.digests)
        return f"without {number} {'attachment' if number == 1 else 'attachments'}"

    def apply(self, body: Body, changes: Changes) -> bool:
        """Replace them."""
        items = body["input"]
        found = [each for each in attachments(body) if digest(each.part) in self.digests]
        for attachment in found:
            text = f"[{attachment.name} was left out: {self.why}]"
            members = items[attachment.item] = members_of(items[attachment.item])
            parts = members[attachment.member] = [*members[attachment.member]]
            written = members.get("role") == "assistant"
            parts[attachment.position] = {"type": "output_text" if written else "input_text", "text": text}
        if found:
            changes.note("changed", "input[*].content[*]", f"Left out: {self.why}.")
        return bool(found)


@dataclass(frozen=True, slots=True)
class ReplaceInstructions:
    """Puts other instructions in the place of those with the digest `refused`; `source` names them.

    With `kept`, the refused ones are the user's own, and go on as a message.
    """

    refused: str
    text: str
    source: str
    kept: bool = False

    @property
    def what(self) -> str:
        """What is done."""
        return f"with the Codex instructions of {self.source}"

    def apply(self, body: Body, changes: Changes) -> bool:
        """Replace them."""
        before = body.get("instructions")
        if not isinstance(before, str) or digest(before) != self.refused:
            return False
        body["instructions"] = self.text
        changes.note("changed", "instructions", f"The endpoint refused others: these are Codex's, of {self.source}.")
        if self.kept:
            changes.insert_item(body["input"], 0, message("developer", before), "The instructions that were refused.")
        return True


@dataclass(frozen=True, slots=True)
class UseCodexInstructions:
    """Sends Codex's instructions in the place of the client's with the digest `refused`, which become a message.

    `client` is the client's name, and `mode` CODEX_MODE. Later requests get the same from the start, byte for byte, as
    with the setting `codex_instructions`.
    """

    refused: str
    text: str
    source: str
    client: str
    mode: bool

    @property
    def what(self) -> str:
        """What is done."""
        return f"with the Codex instructions of {self.source}"

    def apply(self, body: Body, changes: Changes) -> bool:
        """Replace them."""
        if digest(body.get("instructions")) != self.refused:
            return False
        use_codex_instructions(body, self.text, CLIENTS.get(self.client, OTHER), self.mode, changes)
        return True


@dataclass(frozen=True, slots=True)
class AddInstructions:
    """Adds instructions to a request that has none."""

    @property
    def what(self) -> str:
        """What is done."""
        return "with instructions"

    def apply(self, body: Body, changes: Changes) -> bool:
        """Add them."""
        if body.get("instructions"):
            return False
        keep_instructions(body, changes)
        return True


def encrypted_reasoning(item: Mapping[str, Any]) -> str | None:
    """Return the encrypted content of a reasoning item, None for any other."""
    return jsonio.text_or_none(item.get("encrypted_content")) if item.get("type") == "reasoning" else None


def digest(value: object) -> str:
    """Return what tells a JSON value from others."""
    return sha256(dumps(value)).hexdigest()[:32]


_KINDS: dict[str, type[Edit]] = {
    kind.__name__: kind
    for kind in (
        DropParameter,
        DropTools,
        DropReasoning,
        DropMember,
        DropItems,
        ReplaceAttachments,
        ReplaceInstructions,
        UseCodexInstructions,
        AddInstructions,
    )
}


def encode_edit(edit: Edit) -> dict[str, Any]:
    """Return an edit as JSON; equal edits give equal JSON."""
    members = {field.name: getattr(edit, field.name) for field in fields(edit)}  # type: ignore[arg-type]
    plain = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in members.items()}
    return {
        "kind": type(edit).__name__,
        **{name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()},
    }


def decode_edit(value: dict[str, Any]) -> Edit | None:
    """Return an edit from the JSON of `encode_edit`; None if another release wrote it and this one does not know it."""
    members = dict(value)
    kind = _KINDS.get(members.pop("kind", ""))
    if kind is None:
        return None
    try:
        edit = _adapter(kind).validate_python(members)
    except ValidationError:
        return None
    return edit


@cache
def _adapter(kind: type[Edit]) -> "TypeAdapter[Edit]":
    """Return what reads edits of a kind; few proxies ever need one, so no start imports what makes them."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def apply_all(edits: Iterable[Edit], body: Body, changes: Changes) -> list[Edit]:
    """Apply edits in their order, and return those that changed something."""
    edits = list(edits)
    return [edit for edit in edits if edit.apply(body, changes)] if edits and can_edit(body) else []


def _is_call(item: Mapping[str, Any]) -> bool:
    return str(item.get("type")).endswith("_call")
