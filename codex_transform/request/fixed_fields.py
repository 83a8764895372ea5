"""Fields with one right value for a Codex endpoint, and fields that it rejects.

The Codex backend answers `{"detail": "Store must be set to false"}`, `{"detail": "Stream must be set to true"}` and
`{"detail": "Unsupported parameter: …"}`. Its compact endpoint (`/responses/compact`, as the Codex CLI calls it)
does not stream, so the fields that belong to a stream have no place there.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from codex_transform.catalog import Model
from codex_transform.request.changes import FROM_CONFIGURATION, Changes

ENCRYPTED_REASONING = "reasoning.encrypted_content"
"""The `include` value without which reasoning is lost between turns, because nothing is stored."""

UNSUPPORTED_FIELDS = (
    "max_output_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "previous_response_id",
    "truncation",
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_retention",
    "background",
)
"""What Codex endpoints reject for every model."""

_STREAM_FIELDS = ("store", "stream", "include")

_NOT_COMPACT = "A compact request has no such field."
_STORE = "Codex endpoints store nothing and reject any other value."
_STREAM = "Codex endpoints always stream. A client that does not stream gets one object made from the events."
_INCLUDE = f"{ENCRYPTED_REASONING} carries the reasoning from turn to turn, because nothing is stored."
_DUPLICATES = "Each value is sent once."
_UNSUPPORTED = "Codex endpoints reject this field."
_SERVICE_TIER = "The catalog does not list this service tier for the model."


def set_fixed_fields(body: dict[str, Any], include: Iterable[str], changes: Changes, *, compact: bool) -> None:
    """Set `store`, `stream` and `include`; remove them from a compact request.

    `include` holds values to add to the client's own. Each value is sent once, where it is named first.
    """
    if compact:
        for name in _STREAM_FIELDS:
            changes.set_field(body, name, None, _NOT_COMPACT)
        return
    changes.set_field(body, "store", False, _STORE)
    changes.set_field(body, "stream", True, _STREAM)
    before = body.get("include", ())
    after = list(dict.fromkeys((*before, *include, ENCRYPTED_REASONING)))
    if before != after:
        changes.set_field(body, "include", after, _include_reason(before, after))


def drop_unsupported(body: dict[str, Any], model: Model | None, changes: Changes) -> None:
    """Remove what the endpoint would reject. `service_tier` stays if the catalog lists it for the model."""
    for name in UNSUPPORTED_FIELDS:
        if name in body:
            changes.set_field(body, name, None, _UNSUPPORTED)
    if "service_tier" in body and (model is None or body["service_tier"] not in model.service_tiers):
        changes.set_field(body, "service_tier", None, _SERVICE_TIER)


def _include_reason(before: Sequence[str], after: Sequence[str]) -> str:
    added = set(after).difference(before)
    reasons = [_INCLUDE] if ENCRYPTED_REASONING in added else []
    if added - {ENCRYPTED_REASONING}:
        reasons.append(FROM_CONFIGURATION)
    return " ".join(reasons) or _DUPLICATES
