"""How hard the model thinks, how it summarizes that, and how much it writes.

Strategy: the nearest source wins: the request, then a suffix of the model's name, then OpenCode's options (in which
the model's win over the provider's), then the catalog. The last two count for OpenCode alone. What a known model does
not support becomes the nearest thing that it does. For a model that is not in the catalog nothing is invented and
nothing corrected.
"""

from typing import Any

from codex_transform.catalog import EFFORTS, Model, Resolved, clamp
from codex_transform.errors import bad_request
from codex_transform.opencode.config import ModelOptions
from codex_transform.request.changes import EMPTY, FROM_CONFIGURATION, Changes

# OpenAI's API takes auto, concise and detailed; leaving the field out asks for no summary. The other words are those
# that people write in configurations of the Codex CLI and of OpenCode plugins.
_SUMMARIES = {
    "auto": "auto",
    "concise": "concise",
    "detailed": "detailed",
    "on": "auto",
    "none": None,
    "off": None,
}

_FROM_NAME = "Set by the model's name."
_SUMMARY_SPELLING = "The API has another word for it, and asks for no summary by leaving the field out."
_SUMMARY_DEFAULT = "Without it the response has no summary of the reasoning."


def resolve_reasoning(
    body: dict[str, Any], resolved: Resolved, options: ModelOptions | None, changes: Changes, *, complete: bool
) -> str | None:
    """Set `reasoning.effort` and `reasoning.summary`, and return the effort.

    `options` are OpenCode's; without them no default counts. With `complete`, a missing summary is on purpose.
    Raises ApiError 400 for an effort or a summary that does not exist, if the model is known.
    """
    reasoning: dict[str, Any] = body.get("reasoning", {})
    effort, effort_reason = _effort(reasoning.get("effort"), resolved, options)
    summary, summary_reason = reasoning.get("summary"), _SUMMARY_SPELLING
    if summary is None and options and not complete:
        if options.summary:
            summary, summary_reason = options.summary, FROM_CONFIGURATION
        elif resolved.model:
            summary, summary_reason = "auto", _SUMMARY_DEFAULT
    if summary is not None and resolved.model:
        if summary not in _SUMMARIES:
            raise bad_request(f"`reasoning.summary` is {summary!r}: use auto, concise or detailed", "reasoning.summary")
        summary = _SUMMARIES[summary]
    changes.set_field(reasoning, "reasoning.effort", effort, effort_reason)
    changes.set_field(reasoning, "reasoning.summary", summary, summary_reason)
    _set_object(body, "reasoning", reasoning, changes)
    return effort


def resolve_verbosity(
    body: dict[str, Any], model: Model | None, options: ModelOptions | None, changes: Changes
) -> None:
    """Set `text.verbosity`, or remove it for a model that has none. Other members of `text` stay.

    `options` are OpenCode's; without them no default counts.
    """
    text: dict[str, Any] = body.get("text", {})
    verbosity, reason = text.get("verbosity"), EMPTY
    if not verbosity and options and options.verbosity:
        verbosity, reason = options.verbosity, FROM_CONFIGURATION
    if model:
        if not model.supports_verbosity:
            verbosity, reason = None, f"{model.slug} has no verbosity."
        elif not verbosity and options:
            verbosity, reason = model.default_verbosity, _default_of(model)
    changes.set_field(text, "text.verbosity", verbosity, reason)
    _set_object(body, "text", text, changes)


def _effort(requested: str | None, resolved: Resolved, options: ModelOptions | None) -> tuple[str | None, str]:
    """Return the effort to send, and the reason if that is not what the request asked for."""
    model = resolved.model
    effort = requested or resolved.effort or (options.effort if options else None)
    if effort is None:
        return (model.default_effort, _default_of(model)) if model and options else (None, EMPTY)
    reason = _FROM_NAME if resolved.effort else FROM_CONFIGURATION
    if model is None:
        return effort, reason
    if effort not in EFFORTS:
        origin = "" if requested else " in OpenCode's configuration"
        raise bad_request(
            f"`reasoning.effort` is {effort!r}{origin}: {model.slug} takes {', '.join(model.efforts)}",
            "reasoning.effort",
        )
    clamped = clamp(effort, model)
    if clamped != effort:
        origin = "" if requested else " of the model's name" if resolved.effort else " of OpenCode's configuration"
        reason = f"{model.slug} does not support the effort {effort}{origin}: it takes {', '.join(model.efforts)}."
    return clamped, reason


def _default_of(model: Model) -> str:
    return f"The default of {model.slug}."


def _set_object(body: dict[str, Any], name: str, value: dict[str, Any], changes: Changes) -> None:
    """Put an object, whose members have been noted, into the body; leave out an empty one."""
    if value:
        body[name] = value
    else:
        changes.set_field(body, name, None, EMPTY)
