"""Which requests a Codex endpoint refuses, and with which errors.

Strategy: one list of checks in a fixed order, each a generator of complaints; the first complaint is the answer. It
is strict: what the Codex CLI never sends (short-form messages, system messages, a call without its output) is refused,
so that a transformation that forgets a step fails here and not for a paying user.

Sources: the Codex CLI's own requests (releases 0.111.0 to 0.171.0) and the answers known of its backend; for tool
calls and efforts the errors of the OpenAI API, Responses.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from codex_transform.catalog import Model
from codex_transform.jsonio import loads_strict
from codex_transform.redaction import redact

UNSUPPORTED = (
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
    "conversation",
)

_TYPES: dict[str, type] = {"reasoning": dict, "text": dict, "include": list, "prompt_cache_key": str, "tools": list}
_PARTS = {
    "user": ("input_text", "input_image", "input_file"),
    "developer": ("input_text", "input_image", "input_file"),
    "assistant": ("output_text", "refusal"),
}
# Each kind of call, and the outputs that may answer it.
_ANSWERED_BY = {
    "function_call": "function_call_output",
    "custom_tool_call": "custom_tool_call_output",
    "local_shell_call": "local_shell_call_output",
}
_SPOKEN = {
    "function_call_output": "function call output",
    "custom_tool_call_output": "custom tool call output",
    "local_shell_call_output": "local shell call output",
}
_LONGEST_ID = 64
_CALL_KINDS = _ANSWERED_BY.keys() | _SPOKEN.keys()


class RefusedError(Exception):
    """The request is refused: `status` and the JSON `payload` to answer with."""

    def __init__(self, status: int, payload: dict[str, Any]) -> None:
        super().__init__(str(payload))
        self.status = status
        self.payload = payload


def refuse(detail: str, status: int = 400) -> RefusedError:
    """Return a refusal in the words of a Codex endpoint."""
    return RefusedError(status, {"detail": detail})


def check_key(headers: Mapping[str, str], key: str) -> None:
    """Raise a 401 in OpenAI's shape unless the request brings this key."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and given == key:
        return
    if given:
        message, code = f"Incorrect API key provided: {redact(given)}.", "invalid_api_key"
    else:
        message, code = "No API key provided: send it as 'Authorization: Bearer KEY'.", None
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    raise RefusedError(401, {"error": error})


def parse(content: bytes) -> dict[str, Any]:
    """Return the body as a JSON object. Raises a 400 if it is not one."""
    try:
        body = loads_strict(content)
    except ValueError as error:
        raise refuse(f"The body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise refuse("The body must be a JSON object")
    return body


def check(
    headers: Mapping[str, str], body: Mapping[str, Any], models: Mapping[str, Model], *, compact: bool = False
) -> None:
    """Raise a 400 for the first thing that is wrong.

    `models` are the known ones by slug. A request to compact a history is not streamed and has no `store`; all else is
    the same for it.
    """
    complaints = [
        _envelope(body),
        _model(body, models),
        _input(body),
        _tools("tools", body.get("tools") or ()),
        _format(body),
    ]
    if not compact:
        complaints = [_fixed(body), *complaints, _headers(headers)]
    for each in complaints:
        for complaint in each:
            raise refuse(complaint)


def _fixed(body: Mapping[str, Any]) -> Iterator[str]:
    if body.get("store") is not False:
        yield "Store must be set to false"
    if body.get("stream") is not True:
        yield "Stream must be set to true"


def _envelope(body: Mapping[str, Any]) -> Iterator[str]:
    instructions = body.get("instructions")
    if not (isinstance(instructions, str) and instructions.strip()) and not _begins_with_instructions(body):
        yield "Instructions are required"
    for name in UNSUPPORTED:
        if name in body:
            yield f"Unsupported parameter: {name}"
    for name, kind in _TYPES.items():
        if body.get(name) is not None and not isinstance(body[name], kind):
            yield f"Invalid type for '{name}'"
    if len(body.get("prompt_cache_key") or "") > _LONGEST_ID:
        yield f"Invalid 'prompt_cache_key': string too long, over {_LONGEST_ID} characters"


def _begins_with_instructions(body: Mapping[str, Any]) -> bool:
    """Return whether the first item holds what else is in `instructions`, as the Codex CLI 0.171 sends it."""
    items = body.get("input")
    first = items[0] if isinstance(items, list) and items else None
    return isinstance(first, dict) and first.get("role") == "developer"


def _model(body: Mapping[str, Any], models: Mapping[str, Model]) -> Iterator[str]:
    slug = body.get("model")
    model = models.get(slug) if isinstance(slug, str) else None
    if model is None:
        yield f"The '{slug}' model is not supported when using Codex with a ChatGPT account."
        return
    if "service_tier" in body and body["service_tier"] not in model.service_tiers:
        yield "Unsupported parameter: service_tier"
    effort = _member(body, "reasoning", "effort")
    if effort is not None and effort not in model.efforts:
        yield _unsupported_value(effort, slug, model.efforts)
    verbosity = _member(body, "text", "verbosity")
    if verbosity is not None and not model.supports_verbosity:
        yield f"Unsupported parameter: text.verbosity is not supported with the '{slug}' model."
    if verbosity not in (None, "low", "medium", "high"):
        yield _unsupported_value(verbosity, slug, ("low", "medium", "high"))


def _input(body: Mapping[str, Any]) -> Iterator[str]:
    items = body.get("input")
    if not isinstance(items, list):
        yield "Input must be a list"
        return
    if not items:
        yield "Input must not be empty"
    for index, item in enumerate(items):
        yield from _item(f"input[{index}]", item)
    for index, item in enumerate(items):
        # As the Codex CLI sends them: tools before everything else, the request to compact after it.
        if (item["type"] == "additional_tools" and index) or (
            item["type"] == "compaction_trigger" and items[index + 1 :]
        ):
            yield f"Invalid value: '{item['type']}' must not be at 'input[{index}]'"
    yield from _pairs(items)


def _item(where: str, item: Any) -> Iterator[str]:
    if not isinstance(item, dict):
        yield f"Invalid type for '{where}': expected an object"
        return
    kind = item.get("type")
    if not isinstance(kind, str):
        yield f"Missing required parameter: '{where}.type'"
    elif kind == "item_reference":
        yield f"Item with id '{item.get('id')}' not found. Items are not persisted when store is false."
    elif kind == "message":
        yield from _message(where, item)
    elif kind in _CALL_KINDS and not isinstance(item.get("call_id"), str):
        yield f"Missing required parameter: '{where}.call_id'"
    elif kind in _CALL_KINDS and len(item["call_id"]) > _LONGEST_ID:
        yield f"Invalid '{where}.call_id': string too long, over {_LONGEST_ID} characters"
    elif kind == "additional_tools" and not (isinstance(item.get("tools"), list) and item.get("role") == "developer"):
        yield f"Missing required parameter: '{where}.tools'"
    elif kind == "additional_tools":
        yield from _tools(f"{where}.tools", item["tools"])
    elif kind == "compaction" and not isinstance(item.get("encrypted_content"), str):
        yield f"Missing required parameter: '{where}.encrypted_content'"
    elif not isinstance(item.get("namespace", ""), str):
        yield f"Invalid type for '{where}.namespace': expected a string"
    elif kind == "reasoning" and not isinstance(item.get("summary"), list):
        yield f"Missing required parameter: '{where}.summary'"
    elif kind == "function_call" and not isinstance(item.get("arguments"), str):
        yield f"Missing required parameter: '{where}.arguments'"
    elif kind == "custom_tool_call" and not isinstance(item.get("input"), str):
        yield f"Missing required parameter: '{where}.input'"
    elif kind in _SPOKEN and not isinstance(item.get("output"), str | list):
        yield f"Missing required parameter: '{where}.output'"


def _message(where: str, item: Mapping[str, Any]) -> Iterator[str]:
    role, content = item.get("role"), item.get("content")
    if role == "system":
        yield "System messages are not allowed"
    elif role not in _PARTS:
        yield f"Invalid value: {role!r} for '{where}.role'"
    elif not isinstance(content, list):
        yield f"Invalid type for '{where}.content': expected a list of parts"
    else:
        for part in content:
            kind = part.get("type") if isinstance(part, dict) else None
            if kind not in _PARTS[role]:
                yield f"Invalid value: {kind!r} for a part of '{where}.content'"
            elif kind.endswith("_text") and not isinstance(part.get("text"), str):
                yield f"Missing required parameter: '{where}.content.text'"


def _pairs(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Check that every output has its call before it, and every call its output after it."""
    waiting: dict[object, str] = {}
    for item in items:
        kind, call_id = str(item["type"]), item.get("call_id")
        if kind in _ANSWERED_BY:
            waiting[call_id] = kind
        elif kind in _SPOKEN:
            called = waiting.pop(call_id, None)
            # The Codex CLI answers a local shell call like a function's.
            fits = called is not None and kind in (_ANSWERED_BY[called], "function_call_output")
            if not fits:
                yield f"No tool call found for {_SPOKEN[kind]} with call_id {call_id}."
    for call_id in waiting:
        yield f"No tool output found for function call {call_id}."


def _tools(where: str, tools: Sequence[Any]) -> Iterator[str]:
    for index, tool in enumerate(tools):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if not isinstance(kind, str):
            yield f"Missing required parameter: '{where}[{index}].type'"
        elif kind in ("function", "custom", "namespace") and not isinstance(tool.get("name"), str):
            yield f"Missing required parameter: '{where}[{index}].name'"
        elif kind == "namespace" and not isinstance(tool.get("tools"), list):
            yield f"Missing required parameter: '{where}[{index}].tools'"
        elif kind == "namespace":
            yield from _tools(f"{where}[{index}].tools", tool["tools"])
        elif not isinstance(tool.get("parameters") or {}, dict):
            yield f"Invalid type for '{where}[{index}].parameters': expected an object"


def _format(body: Mapping[str, Any]) -> Iterator[str]:
    wanted = _member(body, "text", "format") or {"type": "text"}
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind not in ("text", "json_object", "json_schema"):
        yield f"Invalid value: {kind!r} for 'text.format.type'"
    elif kind == "json_schema":
        for name, expected in (("name", str), ("schema", dict)):
            if not isinstance(wanted.get(name), expected):
                yield f"Missing required parameter: 'text.format.{name}'"


def _headers(headers: Mapping[str, str]) -> Iterator[str]:
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        yield "Unsupported content type: send application/json"
    if "text/event-stream" not in headers.get("accept", ""):
        yield "Missing header: accept: text/event-stream"
    if not headers.get("originator"):
        yield "Missing header: originator"
    sessions = {headers[name] for name in ("session_id", "session-id") if name in headers}
    if len(sessions) > 1:
        yield "The headers session_id and session-id differ"


def _member(body: Mapping[str, Any], group: str, name: str) -> Any:
    value = body.get(group)
    return value.get(name) if isinstance(value, dict) else None


def _unsupported_value(value: object, slug: object, supported: Sequence[str]) -> str:
    values = ", ".join(f"'{each}'" for each in supported)
    return f"Unsupported value: '{value}' is not supported with the '{slug}' model. Supported values are: {values}."
