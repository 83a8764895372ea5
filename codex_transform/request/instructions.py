"""Whose instructions are sent as such: Codex's own for the model, or the client's.

With Codex's, the client's become the first message of the input, so that nothing of them is lost, behind a bridge
message if the client has tools that Codex's instructions know nothing of.
"""

from collections.abc import Mapping
from typing import Any

from codex_transform.clients.client import Client
from codex_transform.request import opencode_prompt, tool_bridge
from codex_transform.request.changes import Changes
from codex_transform.request.input_items import message

DEFAULT = "Follow the messages of this conversation."
"""Instructions for a request that has none: Codex endpoints require some."""

_BRIDGE = "Tells the model which tools it has here, from the request's own list of tools."
_CODEX = "Each model has its own Codex instructions."
_MOVED = "The client's own instructions."
_REPLACED = "The model's Codex instructions take the place of the client's, which become an item of the input."
_REMOVED = "The model's Codex instructions take the place of OpenCode's own system prompt."
_DEFAULT = "Codex endpoints require instructions."


def keep_instructions(body: dict[str, Any], changes: Changes) -> None:
    """Keep the client's instructions; a request without any gets `DEFAULT`."""
    if not has_own(body):
        changes.set_field(body, "instructions", DEFAULT, _DEFAULT)


def use_codex_instructions(body: dict[str, Any], text: str, client: Client, mode: bool, changes: Changes) -> None:
    """Set the instructions to Codex's `text`; the client's become a message behind the bridge message.

    The input must be in full form. `mode` is CODEX_MODE: with it, OpenCode's own prompt is removed. The Codex CLI gets
    no bridge. A request that has the text and the bridge message already stays as it is.
    """
    items, moved = body["input"], None
    bridge = None if client.is_codex else tool_bridge.bridge_message(body.get("tools", ()), client.program, mode)
    start = _insert_bridge(items, bridge, changes)
    if has_own(body) and body["instructions"] != text:
        moved = message("developer", body["instructions"])
        changes.insert_item(items, start, moved, _MOVED)
    changes.set_field(body, "instructions", text, _REPLACED if moved else _CODEX)
    if mode and client.configured:
        removed = opencode_prompt.strip_system_prompt(items, client.prompts, changes)
        if any(item is moved for item in removed):
            changes.note("changed", "instructions", _REMOVED)


def has_own(body: dict[str, Any]) -> bool:
    """Return whether a request has instructions of the client's."""
    instructions = body.get("instructions")
    return isinstance(instructions, str) and bool(instructions.strip()) and instructions != DEFAULT


def _insert_bridge(items: list[Mapping[str, Any]], text: str | None, changes: Changes) -> int:
    """Make `text` the first item, unless it is already, and return the index behind it."""
    if text is None:
        return 0
    bridge = message("developer", text)
    if not items or items[0] != bridge:
        changes.insert_item(items, 0, bridge, _BRIDGE)
    return 1
