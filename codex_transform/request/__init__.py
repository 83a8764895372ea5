"""An OpenAI Responses request becomes a Codex request.

Strategy: `transform` below is the whole way in one visible order; each step is a small function in the module named
for its idea, and none of them does I/O. The order matters in four places: the model is known before anything that
depends on it; items are in full form before the prompt and the note are looked for in them; the client's own
`instructions` become a message before OpenCode's prompt is removed, because that prompt may arrive there; and the
note goes in last, so that it comes first. What has been through here once comes out of it unchanged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from codex_transform.catalog import Resolved, resolve
from codex_transform.opencode.config import ModelOptions
from codex_transform.request import fixed_fields, opencode_prompt, tool_bridge, validate
from codex_transform.request.input_items import message, normalize_items
from codex_transform.request.reasoning import resolve_reasoning, resolve_verbosity

__all__ = ["Context", "Transformed", "transform"]


@dataclass(frozen=True, slots=True)
class Context:
    """What a request's form depends on besides its body.

    `mode` is CODEX_MODE. `options_for` gives OpenCode's options for the model name that the client asked for, and
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
    """The body to send and what the answer and the log need to know about it.

    `streaming` is whether the client asked for a stream. `conversation` names the conversation, None if nothing
    does. `effort` is the reasoning effort that is sent, if any.
    """

    body: dict[str, Any]
    resolved: Resolved
    streaming: bool
    conversation: str | None
    effort: str | None


def transform(body: dict[str, Any], context: Context) -> Transformed:
    """Make a Codex request of `body`, which is changed in place: give it what `parse_request` returned.

    Raises ApiError 400, naming the field, for a body that cannot be one.
    """
    validate.validate(body)
    streaming = body.get("stream", False) and not context.compact
    resolved = resolve(body["model"])
    options = context.options_for(resolved.asked)
    conversation = body.get("prompt_cache_key") or context.session
    instructions = context.instructions(resolved, conversation)
    given = body.get("instructions")
    already_translated = given == instructions

    body["model"] = resolved.slug
    fixed_fields.set_fixed_fields(body, options.include, compact=context.compact)
    effort = resolve_reasoning(body, resolved, options, already_translated=already_translated)
    resolve_verbosity(body, resolved.model, options)

    body["instructions"] = instructions
    body["input"] = items = normalize_items(body["input"])
    note = tool_bridge.bridge_message(body.get("tools", ()), context.mode)
    first = message("developer", note) if note else None
    if items and items[0] == first:
        del items[0]
    if given and not given.isspace() and not already_translated:
        items.insert(0, message("developer", given))
    if context.mode:
        opencode_prompt.strip_system_prompt(items)
    if first:
        items.insert(0, first)

    fixed_fields.drop_unsupported(body, resolved.model)
    return Transformed(body, resolved, streaming, conversation, effort)
