"""How hard the model thinks, how it sums that up, and how much it writes.

Strategy: the nearest source wins: the request, then a suffix of the model's name, then OpenCode's options (which
come merged, model over provider), then the catalogue. What a known model cannot do is brought to the nearest
thing it can. For a model that the catalogue does not know, nothing is invented and nothing corrected.
"""

from typing import Any

from codex_transform.catalog import EFFORTS, Model, Resolved, clamp
from codex_transform.errors import bad_request
from codex_transform.opencode.config import ModelOptions

# OpenAI's API takes auto, concise and detailed; no summary is said by leaving it out. The other words are those
# that people write in configurations of the Codex CLI and of OpenCode plugins.
_SUMMARIES = {
    "auto": "auto",
    "concise": "concise",
    "detailed": "detailed",
    "on": "auto",
    "none": None,
    "off": None,
}


def resolve_reasoning(
    body: dict[str, Any], resolved: Resolved, options: ModelOptions, *, already_translated: bool
) -> str | None:
    """Set `reasoning` and returns the effort. Its other members stay.

    `already_translated` means that the body already has a Codex request's form; then an absent summary is on purpose.
    Raises ApiError 400 for an effort or summary that does not exist, if the model is known.
    """
    reasoning: dict[str, Any] = body.get("reasoning", {})
    effort = _effort(reasoning.get("effort"), resolved, options)
    summary = reasoning.get("summary")
    if summary is None and not already_translated:
        summary = options.summary or ("auto" if resolved.model else None)
    if summary is not None and resolved.model:
        if summary not in _SUMMARIES:
            raise bad_request(f"`reasoning.summary` is {summary!r}: use auto, concise or detailed", "reasoning.summary")
        summary = _SUMMARIES[summary]
    _put(reasoning, "effort", effort)
    _put(reasoning, "summary", summary)
    _put(body, "reasoning", reasoning or None)
    return effort


def resolve_verbosity(body: dict[str, Any], model: Model | None, options: ModelOptions) -> None:
    """Set `text.verbosity`, or takes it out for a model without it. The rest of `text` stays."""
    text: dict[str, Any] = body.get("text", {})
    verbosity = text.get("verbosity") or options.verbosity
    if model:
        verbosity = (verbosity or model.default_verbosity) if model.supports_verbosity else None
    _put(text, "verbosity", verbosity)
    _put(body, "text", text or None)


def _effort(requested: str | None, resolved: Resolved, options: ModelOptions) -> str | None:
    effort = requested or resolved.effort or options.effort
    model = resolved.model
    if model is None:
        return effort
    if effort is None:
        return model.default_effort
    if effort not in EFFORTS:
        origin = "" if requested else " in OpenCode's configuration"
        raise bad_request(
            f"`reasoning.effort` is {effort!r}{origin}: {model.slug} takes {', '.join(model.efforts)}",
            "reasoning.effort",
        )
    return clamp(effort, model)


def _put(holder: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        holder.pop(name, None)
    else:
        holder[name] = value
