"""Fields with one right value for a Codex endpoint, and fields that it refuses.

The Codex backend answers `{"detail": "Store must be set to false"}`, `{"detail": "Stream must be set to true"}` and
`{"detail": "Unsupported parameter: …"}`. Its compact endpoint (`/responses/compact`, as the Codex CLI calls it)
is not streamed, so the fields that belong to a streamed answer have no place there.
"""

from collections.abc import Iterable
from typing import Any

from codex_transform.catalog import Model

ENCRYPTED_REASONING = "reasoning.encrypted_content"
"""The `include` value without which reasoning is lost between turns when nothing is stored."""

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
"""What Codex endpoints refuse for every model."""

_STREAMED = ("store", "stream", "include")


def set_fixed_fields(body: dict[str, Any], include: Iterable[str], *, compact: bool) -> None:
    """Set `store`, `stream` and `include`; a compact request has none of them.

    `include` are values to add to the client's own; each stands once, in the order in which it was first named.
    """
    if compact:
        for name in _STREAMED:
            body.pop(name, None)
        return
    body["store"] = False
    body["stream"] = True
    body["include"] = list(dict.fromkeys((*body.get("include", ()), *include, ENCRYPTED_REASONING)))


def drop_unsupported(body: dict[str, Any], model: Model | None) -> None:
    """Take out what the endpoint would refuse. `service_tier` stays if the catalogue lists it for the model."""
    for name in UNSUPPORTED_FIELDS:
        body.pop(name, None)
    if "service_tier" in body and (model is None or body["service_tier"] not in model.service_tiers):
        del body["service_tier"]
