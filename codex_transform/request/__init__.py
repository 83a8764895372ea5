"""An OpenAI Responses request becomes a Codex request.

Strategy: `transform` below shows all steps in their order. Each step is a small function in the module named for its
idea; none of them does I/O, and each notes what it changes and why. The order matters in four places: the model is
known before anything that depends on it; items are in full form before OpenCode's prompt and the bridge message are
looked for; the client's own `instructions` become a message before OpenCode's prompt is removed, because it may be
there; and the bridge message comes first of all. A request that has been transformed once comes out unchanged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from codex_transform.catalog import Resolved, resolve
from codex_transform.opencode.config import ModelOptions
from codex_transform.request import fixed_fields, opencode_prompt, tool_bridge, validate
from codex_transform.request.call_ids import MAX_LENGTH, shorten
from codex_transform.request.changes import Changes
from codex_transform.request.input_items import message, normalize_items
from codex_transform.request.reasoning import resolve_reasoning, resolve_verbosity

__all__ = ["Context", "Transformed", "transform"]

_BRIDGE = "Tells the model which tools it has here, from the request's own list of tools."
_INSTRUCTIONS = "Each model has its own Codex instructions."
_INSTRUCTIONS_MOVED = (
    "The model's Codex instructions take the place of the client's, which become an item of the input."
)
_INSTRUCTIONS_REMOVED = "The model's Codex instructions take the place of OpenCode's own system prompt."
_MOVED = "The client's own instructions."
_SPELLING = "Codex endpoints spell the model's name like this."
_ALIAS = "Codex endpoints do not serve the model that the client asked for: this one takes its place."
_SUFFIX = "An effort in the name counts where reasoning.effort is not set."
_TIER = "The model's name asks for a faster answer."
_CACHE_KEY = f"Endpoints reject keys over {MAX_LENGTH} characters."
_LABEL = "The response has the name that the client used."


@dataclass(frozen=True, slots=True)
class Context:
    """What a request's form depends on besides its body.

    `mode` is CODEX_MODE. `options_for` returns OpenCode's options for the model name that the client asked for, and
    `instructions` the Codex instructions for a model in a conversation. `session` is the client's session header.
    `compact` is true below `/responses/compact`.
    """

    mode: bool
    options_for: Callable[[str], ModelOptions]
    instructions: Callable[[Resolved, str | None], str]
    session: str | None = None
    compact: bool = False


@dataclass(frozen=True, slots=True)
class Transformed:
    """The body to send, and what the response and the log need to know about it.

    `streaming` is whether the client asked for a stream. `conversation` names the conversation, None if nothing
    does. `effort` is the reasoning effort that is sent, if any. `changes` are the differences from the client's body.
    """

    body: dict[str, Any]
    resolved: Resolved
    streaming: bool
    conversation: str | None
    effort: str | None
    changes: Changes


def transform(body: dict[str, Any], context: Context) -> Transformed:
    """Turn `body` into a Codex request, in place; it must be what `parse_request` returned.

    Raises ApiError 400, naming the field, for a body that cannot become one.
    """
    changes = Changes()
    validate.validate(body, changes)
    streaming = body.get("stream", False) and not context.compact
    resolved = resolve(body["model"])
    options = context.options_for(resolved.asked)
    cache_key = body.get("prompt_cache_key")
    conversation = cache_key or context.session
    if cache_key and len(cache_key) > MAX_LENGTH:
        changes.set_field(body, "prompt_cache_key", shorten(cache_key), _CACHE_KEY)
    instructions = context.instructions(resolved, conversation)
    original = body.get("instructions")
    already_translated = original == instructions

    if resolved.slug != resolved.asked:
        changes.set_field(body, "model", resolved.slug, _model_reason(resolved))
    if resolved.service_tier and not body.get("service_tier"):
        changes.set_field(body, "service_tier", resolved.service_tier, _TIER)
    fixed_fields.set_fixed_fields(body, options.include, changes, compact=context.compact)
    effort = resolve_reasoning(body, resolved, options, changes, already_translated=already_translated)
    resolve_verbosity(body, resolved.model, options, changes)

    body["input"] = items = normalize_items(body["input"], changes)
    start = _insert_bridge(items, tool_bridge.bridge_message(body.get("tools", ()), context.mode), changes)
    moved = None
    if original and not original.isspace() and not already_translated:
        moved = message("developer", original)
        changes.insert_item(items, start, moved, _MOVED)
    if context.mode:
        opencode_prompt.strip_system_prompt(items, changes)
    reason = _INSTRUCTIONS
    if moved:
        reason = _INSTRUCTIONS_MOVED if len(items) > start and items[start] is moved else _INSTRUCTIONS_REMOVED
    changes.set_field(body, "instructions", instructions, reason)

    fixed_fields.drop_unsupported(body, resolved.model, changes)
    return Transformed(body, resolved, streaming, conversation, effort, changes)


def _insert_bridge(items: list[dict[str, Any]], text: str | None, changes: Changes) -> int:
    """Make `text` the first item, unless it is already, and return the index behind it."""
    if text is None:
        return 0
    bridge = message("developer", text)
    if not items or items[0] != bridge:
        changes.insert_item(items, 0, bridge, _BRIDGE)
    return 1


def _model_reason(resolved: Resolved) -> str:
    name = _letters(resolved.asked.rpartition("/")[2])
    reasons = [_SPELLING if name == _letters(resolved.slug + (resolved.effort or "")) else _ALIAS]
    return " ".join((*reasons, *([_SUFFIX] if resolved.effort else []), _LABEL))


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))
