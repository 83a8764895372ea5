"""What to do about a call that failed, in a sentence.

Strategy: the first row that fits. Rows go from what the error's code or words say to what the HTTP status alone says;
the messages themselves often name the setting to look at, so advice adds what a reader can do next.
"""

import re

from codex_transform.response.upstream_error import UpstreamError
from codex_transform.usage.record import Record

_AGAIN = "Nothing, at first: OpenCode tries again by itself. If it stays, ask who runs the endpoint."

# Signs in the error's code, type and message.
_SIGNS = (
    (r"context_length_exceeded|context window", "Shorten the conversation: /compact in OpenCode, or a new session."),
    (r"insufficient_quota", "The account has no quota left: add some with who runs the endpoint."),
    (
        r"usage_limit|usage limit|usage_not_included|rate_limit",
        "Wait until the limit ends, or change the plan. OpenCode waits and tries again by itself.",
    ),
    (
        r"model_not_found|model.{0,80}(not supported|not exist|not found)",
        "Choose another model: the endpoint does not serve this one.",
    ),
    (r"codex_base_url is not set|codex_api_key is not set", "Run codex-transform login: it asks for both."),
    (r"stream_cut|before the answer was complete", _AGAIN),
    (
        r"endpoint_unreachable|endpoint_timeout|answered with a web page|redirects.{0,300}\(HTTP 3",
        "Run codex-transform doctor: it tries the endpoint step by step, and says where it ends.",
    ),
)

_STATUSES = {
    400: "The Request tab shows what the endpoint got and what was changed: look for the field named.",
    401: "Run codex-transform login, which sets codex_api_key; codex-transform whoami tells where a key comes from.",
    403: "Check that the key in codex_api_key belongs to this endpoint and may use it.",
    404: "Check codex_base_url: the endpoint knows no such address.",
    413: "The request is too large for the endpoint: /compact in OpenCode, or a new session.",
    426: "Nothing: the client goes on over HTTP.",
    429: "Wait until the limit ends. OpenCode waits and tries again by itself.",
}


def advice(
    status: int | None, record: Record | None, problem: UpstreamError | None, retry_after: str | None = None
) -> str:
    """Return the sentence for a failed call.

    HTTP status, the call's record, what was reported, header `retry-after`.
    """
    if record and record.outcome == "left":
        return "Nothing, if it was stopped on purpose; a client that gives up by itself may have a short time limit."
    said = f"{problem.code} {problem.type} {problem.message[:2000]}" if problem else ""
    found = next((fix for sign, fix in _SIGNS if re.search(sign, said, re.IGNORECASE)), None)
    if record and record.model is None:
        return f"{found or 'Fix what it says in the client.'} The request was not sent to the endpoint."
    fix = found or _STATUSES.get(status or 0, _AGAIN)
    return f"{fix}{_when(retry_after or '')}"


def _when(retry_after: str) -> str:
    """Return the header in words, "" for a date or nonsense."""
    if not re.fullmatch("[0-9]{1,8}", retry_after):
        return ""
    return f" The endpoint says: {_duration(int(retry_after))}."


def _duration(seconds: int) -> str:
    if seconds < 120:
        return f"again in {seconds} s"
    minutes = round(seconds / 60)
    return f"again in {minutes} min" if minutes < 120 else f"again in {minutes / 60:.1f} h"
