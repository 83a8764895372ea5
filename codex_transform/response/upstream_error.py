"""Reads an error out of whatever JSON an endpoint wrote it in, and says what it means in OpenAI's terms.

Strategy: every shape in the wild is a member or two away from OpenAI's `{"error": {"message", "type", "code",
"param"}}`. `read_error` finds those members wherever they are; the table below gives the HTTP status that belongs to a
code. The same report then becomes an HTTP error, or the `error` event of a stream.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from codex_transform import jsonio
from codex_transform.errors import TYPES, ApiError
from codex_transform.redaction import redact_secrets
from codex_transform.response.retry_after import seconds_until_reset

# Codes and types of the OpenAI API (API reference, "Error codes" and "Responses / Streaming events") and of the Codex
# backend (Codex CLI 0.111, `codex-api`), with the HTTP status that belongs to each.
_STATUS = {
    "authentication_error": 401,
    "bio_policy": 400,
    "context_length_exceeded": 400,
    "cyber_policy": 400,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "misalignment_policy_violation": 400,
    "model_not_found": 404,
    "not_found_error": 404,
    "overloaded_error": 503,
    "permission_error": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "requests": 429,
    "server_error": 500,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "tokens": 429,
    "too_many_requests": 429,
    "unsupported_parameter": 400,
    "usage_limit_reached": 429,
    "usage_not_included": 429,
}

# What the limits of a plan are called, for endpoints that answer them with another status than 429.
_LIMITS = frozenset({"usage_limit_reached", "usage_not_included", "rate_limit_exceeded"})

# Members of a limit that clients read, the Codex CLI among them, to tell when it ends.
_KEPT = ("plan_type", "resets_at", "resets_in_seconds")

# Where an error may be wrapped; {"detail": {"error": {...}}} exists.
_WRAPPERS = ("error", "detail")

# Members that say nothing about the error itself.
_ENVELOPE = frozenset({*_WRAPPERS, "sequence_number", "status", "status_code", "headers"})


class UpstreamError(NamedTuple):
    """What an endpoint said about an error: OpenAI's four members, None for those that it left out.

    Keys in the message are hidden. `details` are the other members beside them, `headers` what it sent in place of HTTP
    headers, and `status_hint` in place of an HTTP status. `standard` is True when all came in OpenAI's shape.
    """

    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None
    details: Mapping[str, Any] = {}
    headers: Mapping[str, str] = {}
    status_hint: int | None = None
    standard: bool = False

    @property
    def status(self) -> int:
        """The HTTP status that belongs to the error; 502 for one that nobody knows."""
        for name in (self.code, self.type):
            if name in _STATUS:
                return _STATUS[name]
            if name and (name.startswith("invalid_") or "image" in name):
                return 400
        return self.status_hint or 502

    @property
    def kind(self) -> str:
        """Its type, or the one that the API gives such an error; a limit's type is the name of the limit.

        It matters: OpenCode tries again whatever has `rate_limit` in it, and it must not when there is no quota left.
        """
        limit = self.code if self.status == 429 else None
        return self.type or limit or TYPES.get(self.status, "server_error")

    @property
    def is_limit(self) -> bool:
        """True when it says that an account's limit is used up, whatever the HTTP status says."""
        return bool(_LIMITS & {self.code, self.type}) or "usage limit" in self.message.lower()

    def http_error(self, status: int | None = None, *, now: float | None = None) -> ApiError:
        """Return the HTTP error for a client; by default with the status that belongs to it.

        `now` is in unix seconds.
        """
        return ApiError(
            status or self.status,
            self.message,
            type=self.kind if status is None else self.type,
            code=self.code or (self.type if self.type in _LIMITS else None),
            param=self.param,
            retry_after=seconds_until_reset(self.details, self.headers, now, self.message),
            details={name: self.details[name] for name in _KEPT if name in self.details},
        )

    def event(self, sequence_number: int) -> dict[str, Any]:
        """Return the `error` event for a stream.

        The API reference documents its members at the top level, the API itself sends them in a member `error`, and
        clients need either: OpenAI's SDKs raise an exception only for the latter, and for the AI SDK in OpenCode 1.1
        an event without it, or with a `code` that is no string, does not exist: half an answer becomes a whole one.
        """
        members = {
            "code": self.code or self.type or "server_error",
            "message": self.message,
            "param": self.param,
        }
        return {
            "type": "error",
            **members,
            "sequence_number": sequence_number,
            "error": {"type": self.kind, **members, **self.details},
        }


def read_error(value: Any) -> UpstreamError | None:
    """Return the error that a JSON value reports, None when it reports none.

    Knows OpenAI's shape, bare or wrapped, `{"error": "text"}`, `{"detail": ...}` as FastAPI and the Codex backend
    write it (a text, an object, or a list of `{"loc", "msg"}`), and `{"message": "text"}`.
    """
    if not isinstance(value, dict):
        return None
    outside, wrapper = value, None
    while True:
        inside = next((value[name] for name in _WRAPPERS if value.get(name)), None)
        if isinstance(inside, dict):
            wrapper = wrapper or ("error" if value.get("error") else "detail")
            value = inside
        elif isinstance(inside, list):
            return _report("; ".join(map(_validation_message, inside)), {}, outside)
        elif isinstance(inside, str):
            return _report(inside, value, outside)
        else:
            break
    message = jsonio.text_or_none(value.get("message"))
    if message is None and wrapper is None:
        return None
    return _report(message, value, outside)._replace(standard=wrapper == "error" and message is not None)


def server_error(message: str) -> UpstreamError:
    """Return the report of a failure that is nobody's fault in the request, so that OpenCode and the SDKs try again."""
    return UpstreamError(message, "server_error", "server_error")


def _report(message: str | None, members: Mapping[str, Any], outside: Mapping[str, Any]) -> UpstreamError:
    code, kind = members.get("code"), jsonio.text_or_none(members.get("type"))
    if isinstance(code, int):
        code = "rate_limit_exceeded" if code == 429 else TYPES.get(code, "server_error")
    known = {"message", "type", "code", "param"}
    headers = outside.get("headers")
    status = outside.get("status_code", outside.get("status"))
    return UpstreamError(
        redact_secrets(message) if message else "The endpoint reported an error and did not say which.",
        None if kind == "error" else kind,
        jsonio.text_or_none(code),
        jsonio.text_or_none(members.get("param")),
        {name: member for name, member in members.items() if name not in known | _ENVELOPE},
        {str(name).lower(): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {},
        status if isinstance(status, int) and 400 <= status < 600 else None,
    )


def _validation_message(entry: Any) -> str:
    """One entry of FastAPI's list of validation errors, as `body.model: field required`."""
    if not isinstance(entry, dict) or "msg" not in entry:
        return str(entry)
    where = entry.get("loc")
    path = ".".join(map(str, where)) if isinstance(where, list) else ""
    return f"{path}: {entry['msg']}" if path else str(entry["msg"])
