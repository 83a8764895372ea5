"""What to do about a call that failed, in a sentence.

Strategy: the first row that matches. The error's code or message comes first, the HTTP status alone last. The
messages themselves often name the setting to look at, so the advice adds what a reader can do next.
"""

import re

from codex_transform.response.upstream_error import UpstreamError
from codex_transform.usage.record import Record

_RETRIED = "Nothing at first, because OpenCode retries by itself. If the error stays, ask the operator of the endpoint."

# Patterns in the error's code, type and message.
_PATTERNS = (
    (r"context_length_exceeded|context window", "Shorten the conversation: /compact in OpenCode, or a new session."),
    (r"insufficient_quota", "The account has no quota left: ask the operator of the endpoint for more."),
    (
        r"usage_limit|usage limit|usage_not_included|rate_limit",
        "Wait until the limit ends, or change the plan. OpenCode waits and retries by itself.",
    ),
    (
        r"model_not_found|model.{0,80}(not supported|not exist|not found)",
        "Choose another model: the endpoint does not serve this one.",
    ),
    (r"codex_base_url is not set|codex_api_key is not set", "Run codex-transform login, which asks for both."),
    (r"stream_cut|before the answer was complete", _RETRIED),
    (
        r"endpoint_unreachable|endpoint_timeout|answered with a web page|redirects.{0,300}\(HTTP 3",
        "Run codex-transform doctor, which tests the connection to the endpoint step by step.",
    ),
)

_STATUSES = {
    400: "Look for the field in the Request tab, which shows what the endpoint got and what was changed.",
    401: "Run codex-transform login, which sets codex_api_key; codex-transform whoami shows where the key comes from.",
    403: "Check that the key in codex_api_key belongs to this endpoint and may use it.",
    404: "Check codex_base_url: the endpoint has no such path.",
    413: "The request is too large for the endpoint: /compact in OpenCode, or a new session.",
    426: "Nothing: the client continues over HTTP.",
    429: "Wait until the limit ends. OpenCode waits and retries by itself.",
}


def advice(
    status: int | None, record: Record | None, problem: UpstreamError | None, retry_after: str | None = None
) -> str:
    """Return the sentence for a failed call.

    `problem` is the error that was reported, and `retry_after` the header of that name.
    """
    if record and record.outcome == "left":
        return "Nothing, if it was stopped on purpose. A client that gives up by itself may have a short timeout."
    reported = f"{problem.code} {problem.type} {problem.message[:2000]}" if problem else ""
    advice_text = next((fix for pattern, fix in _PATTERNS if re.search(pattern, reported, re.IGNORECASE)), None)
    if record and record.model is None:
        return f"{advice_text or 'Fix it in the client.'} The request was not sent to the endpoint."
    fix = advice_text or _STATUSES.get(status or 0, _RETRIED)
    return f"{fix}{_when(retry_after or '')}"


def _when(retry_after: str) -> str:
    """Return the header in words; "" for a date or an invalid value."""
    if not re.fullmatch("[0-9]{1,8}", retry_after):
        return ""
    return f" The endpoint asks for {_duration(int(retry_after))}."


def _duration(seconds: int) -> str:
    if seconds < 120:
        return f"a retry in {seconds} s"
    minutes = round(seconds / 60)
    return f"a retry in {minutes} min" if minutes < 120 else f"a retry in {minutes / 60:.1f} h"
