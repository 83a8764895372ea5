"""Why the proxy itself refused a request: a word of a fixed list, for figures and for a log that programs read."""

from typing import Literal, get_args

Reason = Literal[
    "unknown_key",
    "model_not_allowed",
    "requests_limit",
    "tokens_limit",
    "not_set_up",
    "bad_request",
    "not_found",
    "not_allowed",
    "no_websocket",
    "stopping",
    "other",
]

REASONS: tuple[Reason, ...] = get_args(Reason)

_BY_CODE: dict[str, Reason] = {
    "invalid_api_key": "unknown_key",
    "clients_invalid": "not_set_up",
    "model_not_allowed": "model_not_allowed",
    "rate_limit_exceeded": "requests_limit",
    "insufficient_quota": "tokens_limit",
    "proxy_stopped": "stopping",
}

_BY_STATUS: dict[int, Reason] = {401: "not_set_up", 403: "not_allowed", 404: "not_found", 426: "no_websocket"}


def refusal_reason(status: int, code: str | None) -> Reason:
    """Return why a request was refused that was answered with this status and this code of an error."""
    if found := _BY_CODE.get(code or ""):
        return found
    return _BY_STATUS.get(status, "bad_request" if 400 <= status < 500 else "other")
