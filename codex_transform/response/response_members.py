"""The members that the specification requires of a response object, put in where an endpoint leaves them out.

Strategy: what the request said comes first (`ClientView.members`), then what the endpoint says, then what it said when
the response began, then the specification's defaults. A member that is null where the specification has no null counts
as left out.
"""

from typing import Any

Members = dict[str, Any]

# The specification's defaults, which may be null.
_NULLABLE = (
    "completed_at",
    "error",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "usage",
)

# Those which may not.
_DEFAULTS: Members = {
    "background": False,
    "frequency_penalty": 0.0,
    "metadata": {},
    "object": "response",
    "output": [],
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "service_tier": "default",
    # A Codex endpoint stores nothing.
    "store": False,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
}

# What an object has at least, where there is one.
_WITHIN: Members = {
    "reasoning": {"effort": None, "summary": None},
    "text": {"format": {"type": "text"}},
}

# What is no object of its kind without these members: then there is none.
_ALL_OR_NULL = {"error": ("code", "message"), "incomplete_details": ("reason",)}

# The AI SDK takes a final event without the two numbers for none at all.
_NO_USAGE: Members = {
    "input_tokens": 0,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 0,
}

# What token counts are called in the API for chat completions.
_CHAT_NAMES = {
    "prompt_tokens": "input_tokens",
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens": "output_tokens",
    "completion_tokens_details": "output_tokens_details",
}

# The details that the specification requires.
_DETAILS = {"input_tokens_details": "cached_tokens", "output_tokens_details": "reasoning_tokens"}


def complete_response(response: Members, status: str, now: float) -> bool:
    """Put into a response object what it lacks, in place; `status` is how far it is. Return whether it lacked anything.

    `now` is in unix seconds.
    """
    before = len(response)
    changed = False
    for name in [name for name in _NULLABLE if name not in response]:
        response[name] = None
    for name in [name for name in _DEFAULTS if response.get(name) is None]:
        value = _DEFAULTS[name]
        response[name] = value.copy() if isinstance(value, dict | list) else value
        changed = True
    for name, at_least in _WITHIN.items():
        given = response[name]
        if isinstance(given, dict) and not given.keys() >= at_least.keys():
            response[name] = {**at_least, **given}
            changed = True
    for name, needs in _ALL_OR_NULL.items():
        given = response[name]
        if given is not None and not (isinstance(given, dict) and all(given.get(need) is not None for need in needs)):
            response[name] = None
            changed = True
    if status not in ("completed", "incomplete") and (usage := response["usage"]) is not None:
        if has_token_counts(usage):
            changed |= bool(complete_usage(response))
        else:
            response["usage"] = None
            changed = True
    if type(response.get("created_at")) not in (int, float):
        response["created_at"] = int(now)
        changed = True
    if not isinstance(response.get("id"), str) or not response["id"]:
        response["id"] = f"resp_{int(now * 1_000_000):x}"
        changed = True
    if not isinstance(response.get("status"), str):
        response["status"] = status
        changed = True
    if status == "completed" and response["completed_at"] is None:
        response["completed_at"] = max(int(now), int(response["created_at"]))
        changed = True
    return changed or len(response) != before


def complete_usage(response: Members) -> set[str]:
    """Put into a final response the token counts that it lacks, in place; return the names of what was repaired.

    OpenCode asks again, without end, when it cannot tell what an answer took.
    """
    usage = response.get("usage")
    if not isinstance(usage, dict):
        response["usage"] = dict(_NO_USAGE)
        return {"usage"}
    repaired: set[str] = set()
    if not has_token_counts(usage) and usage.keys() & _CHAT_NAMES.keys():
        renamed = {_CHAT_NAMES.get(name, name): value for name, value in usage.items() if name in _CHAT_NAMES}
        usage = {name: value for name, value in usage.items() if name not in _CHAT_NAMES} | renamed
        repaired.add("usage names")
    if not has_token_counts(usage):
        right = {name: value for name, value in usage.items() if type(value) is type(_NO_USAGE.get(name, value))}
        usage = _NO_USAGE | right
        repaired.add("usage")
    if type(usage.get("total_tokens")) is not int:
        usage = {**usage, "total_tokens": usage["input_tokens"] + usage["output_tokens"]}
        repaired.add("defaults")
    for name, count in _DETAILS.items():
        details = usage.get(name)
        if not isinstance(details, dict) or type(details.get(count)) is not int:
            usage = {**usage, name: {**(details if isinstance(details, dict) else {}), count: 0}}
            repaired.add("defaults")
    response["usage"] = usage
    return repaired


def has_token_counts(usage: Any) -> bool:
    """Return True for token counts that clients can work with."""
    return isinstance(usage, dict) and all(type(usage.get(name)) is int for name in ("input_tokens", "output_tokens"))
