"""An OpenAI Responses request becomes a Codex request.

Strategy: `transform` below shows all steps in their order. Each step is a small function in the module named for its
idea; none of them does I/O, and each notes what it changes and why. The order matters in four places: the model is
known before anything that depends on it; items are in full form before OpenCode's prompt and the bridge message are
looked for; the client's own `instructions` become a message before OpenCode's prompt is removed, because it may be
there; and the bridge message comes first of all. A request that has been transformed once comes out unchanged. What
the Codex CLI sends is a Codex request already.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from codex_transform.catalog import Resolved, resolve
from codex_transform.clients.client import Client
from codex_transform.opencode.config import ModelOptions
from codex_transform.request import fixed_fields, validate
from codex_transform.request.call_ids import MAX_LENGTH, conversation_name, shorten
from codex_transform.request.changes import Changes
from codex_transform.request.input_items import normalize_items
from codex_transform.request.instructions import keep_instructions, use_codex_instructions
from codex_transform.request.raw_options import move_options
from codex_transform.request.reasoning import resolve_reasoning, resolve_verbosity

__all__ = ["Context", "Transformed", "transform"]

_SPELLING = "Codex endpoints spell the model's name like this."
_ALIAS = "Codex endpoints do not serve the model that the client asked for: this one takes its place."
_SUFFIX = "An effort in the name counts where reasoning.effort is not set."
_TIER = "The model's name asks for a faster answer."
_CACHE_KEY = f"Endpoints reject keys over {MAX_LENGTH} characters."
_LABEL = "The response has the name that the client used."


class Context(NamedTuple):
    """What a request's form depends on besides its body.

    `client` is who sent it. `mode` is CODEX_MODE. `options_for` returns OpenCode's options for the model name that the
    client asked for, and `instructions` the Codex instructions for a model in a conversation. `session` is the
    client's session header. `compact` is true below `/responses/compact`. `codex_instructions` says whether Codex's
    instructions take the place of the client's, None if the client decides.
    """

    client: Client
    mode: bool
    options_for: Callable[[str], ModelOptions]
    instructions: Callable[[Resolved, str | None], str]
    session: str | None = None
    compact: bool = False
    codex_instructions: bool | None = None

    @property
    def uses_codex_instructions(self) -> bool:
        """Whether Codex's instructions are sent."""
        if self.codex_instructions is None:
            return self.client.instructions == "codex"
        return self.codex_instructions


class Transformed(NamedTuple):
    """The body to send, and what the response and the log need to know about it.

    `streaming` is whether the client asked for a stream. `conversation` names the conversation, None if nothing
    does. `effort` is the reasoning effort that is sent, if any. `changes` are the differences from the client's body.
    With `own_instructions`, the instructions are the client's, not Codex's for the model.
    """

    body: dict[str, Any]
    resolved: Resolved
    streaming: bool
    conversation: str | None
    effort: str | None
    changes: Changes
    client: Client
    own_instructions: bool


def transform(body: dict[str, Any], context: Context) -> Transformed:
    """Turn `body` into a Codex request, in place; it must be what `read_request` returned, and is for `write_request`.

    Raises ApiError 400, naming the field, for a body that cannot become one.
    """
    if context.client.is_codex:
        return _codex_request(body, context)
    changes, client = Changes(), context.client
    validate.validate(body, changes)
    if client.configured:
        move_options(body, changes)
    streaming = body.get("stream", False) and not context.compact
    resolved = resolve(body["model"])
    options = context.options_for(resolved.asked) if client.configured else None
    cache_key = body.get("prompt_cache_key")
    conversation = conversation_name(body, context.session)
    if cache_key and len(cache_key) > MAX_LENGTH:
        changes.set_field(body, "prompt_cache_key", shorten(cache_key), _CACHE_KEY)
    codex_text = context.instructions(resolved, conversation) if context.uses_codex_instructions else None

    if resolved.slug != resolved.asked:
        changes.set_field(body, "model", resolved.slug, _model_reason(resolved))
    if resolved.service_tier and not body.get("service_tier"):
        changes.set_field(body, "service_tier", resolved.service_tier, _TIER)
    fixed_fields.set_fixed_fields(body, options.include if options else (), changes, compact=context.compact)
    complete = codex_text is not None and body.get("instructions") == codex_text
    effort = resolve_reasoning(body, resolved, options, changes, complete=complete)
    resolve_verbosity(body, resolved.model, options, changes)

    body["input"] = normalize_items(body["input"], changes)
    if codex_text is None:
        keep_instructions(body, changes)
    else:
        use_codex_instructions(body, codex_text, client, context.mode, changes)

    fixed_fields.drop_unsupported(body, resolved.model, changes)
    return Transformed(body, resolved, streaming, conversation, effort, changes, client, codex_text is None)


def _codex_request(body: dict[str, Any], context: Context) -> Transformed:
    """Return what is known of a request that is a Codex request already; it stays as it is."""
    validate.require_fields(body)
    changes = Changes()
    asked = body["model"]
    resolved = Resolved(asked, asked, resolve(asked).model, None)
    reasoning = body.get("reasoning")
    conversation = conversation_name(body, context.session)
    effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
    streaming = body.get("stream") is True and not context.compact
    codex = context.uses_codex_instructions and isinstance(body["input"], list)
    if isinstance(body["input"], list):
        body["input"] = [*body["input"]]  # its own list is remembered as the client sent it
    if codex:
        text = context.instructions(resolved, conversation)
        use_codex_instructions(body, text, context.client, context.mode, changes)
    return Transformed(
        body,
        resolved,
        streaming,
        conversation,
        effort if isinstance(effort, str) else None,
        changes,
        context.client,
        not codex,
    )


def _model_reason(resolved: Resolved) -> str:
    name = _letters(resolved.asked.rpartition("/")[2])
    reasons = [_SPELLING if name == _letters(resolved.slug + (resolved.effort or "")) else _ALIAS]
    return " ".join((*reasons, *([_SUFFIX] if resolved.effort else []), _LABEL))


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))
