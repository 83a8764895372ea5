"""Parameters that the endpoint does not take, in any of the shapes in which endpoints say so."""

from collections.abc import Sequence

from codex_transform.attempts.edits import Body, DropParameter, DropTools, Edit
from codex_transform.attempts.failure import Failure
from codex_transform.attempts.json_path import find, holds, parse_path
from codex_transform.attempts.rule import INVALID, NOT_THE_FORM, UNKNOWN_PARAMETER, Sent, words

_NAME = r"[`'\"]?(?:body\.)?(?P<name>[A-Za-z_][\w.\[\]]*)[`'\"]?"
_QUOTED_NAME = r"(?=[`'\"]|[a-z]+[_.][a-z])" + _NAME
_UNSUPPORTED = (
    r"\b(?:unsupported|unknown|unrecognized|unexpected|invalid|extra)(?: request)?"
    r" (?:parameters?|arguments?|fields?|propert(?:y|ies)|keys?|keyword arguments?)(?: supplied)?(?:\(s\))?"
    rf"\s*:?\s*{_NAME}",
    rf"\b(?:parameter|argument|field|property):? {_NAME} (?:is|was) "
    r"(?:not (?:supported|allowed|permitted|recognized|known)|unsupported|unknown|unexpected)",
    # A bare word may be any: `reasoning` stands in many sentences.
    rf"{_QUOTED_NAME}(?:: | is | are )?(?:not (?:supported|allowed|permitted)|unsupported)\b",
    rf"{_NAME}: extra inputs are not permitted",
    rf"additional properties are not allowed \(['\"]{_NAME}",
    rf"不支持(?:的)?(?:参数|字段)\s*[：:]?\s*{_NAME}",
)

# Without these there is no request, or another one than the user's.
_ESSENTIAL_PARAMETERS = frozenset({"model", "input", "instructions", "stream", "store"})
_ESSENTIAL_IN_TOOLS = frozenset({"type", "name", "parameters", "description", "format"})
_CLIENT_TOOLS = ("function", "custom", "local_shell")

# Where the value is at fault, these may go; the effort is the user's choice.
_OPTIONAL_VALUES = frozenset({"reasoning.summary", "text.verbosity", "service_tier", "include", "prompt_cache_key"})


def unsupported_parameter(failure: Failure, sent: Sent) -> Edit | None:
    """Leave out a parameter that the endpoint does not take, unless the request would be another one without it."""
    if failure.status not in INVALID or failure.code in NOT_THE_FORM:
        return None
    names: list[str] = []
    if failure.param and failure.code in UNKNOWN_PARAMETER:
        names = [failure.param]
    elif failure.code == "unsupported_value":
        names = [failure.param] if failure.param in _OPTIONAL_VALUES else []
    else:
        names = [match["name"] for pattern in _UNSUPPORTED for match in words(pattern).finditer(failure.message)]
    edits = (_without_parameter(name.removeprefix("body."), sent.body) for name in names)
    return next((edit for edit in edits if edit), None)


def _without_parameter(name: str, body: Body) -> Edit | None:
    steps = parse_path(name)
    if not steps or steps[0] in _ESSENTIAL_PARAMETERS or steps[0] not in body:
        return None
    if steps[0] == "tools":
        return _without_tool(steps[1:], body)
    path: list[str] = []
    for step in steps:
        if isinstance(step, int):
            break  # what a list holds goes with the list
        path.append(step)
    if _is_wanted(body, path) or not holds(body, tuple(path)):
        return None
    return DropParameter(tuple(path))


def _is_wanted(body: Body, path: Sequence[str]) -> bool:
    """Return whether the client counts on a parameter: the form of its answer, or that a tool is called."""
    if path[0] == "text":
        return "format" in path or (len(path) == 1 and find(body, ("text", "format")) is not None)
    return path[0] == "tool_choice" and body["tool_choice"] not in ("auto", None)


def _without_tool(steps: Sequence[str | int], body: Body) -> Edit | None:
    """Leave out what a path below `tools` names: a member of all tools, or the tools of a type that the server runs."""
    if not steps or not isinstance(steps[0], int):
        return None
    tool = find(body["tools"], (steps[0],))
    if not isinstance(tool, dict):
        return None
    if len(steps) > 1 and isinstance(steps[1], str) and steps[1] not in _ESSENTIAL_IN_TOOLS:
        return DropParameter(("tools", "*", steps[1])) if steps[1] in tool else None
    kind = tool.get("type")
    return DropTools(kind) if isinstance(kind, str) and kind not in _CLIENT_TOOLS else None
