"""What is known of refusals: how to recognise one, and what to change so that the request is accepted.

Strategy: one table, `RULES`, of which the first rule that has an answer decides. A rule looks at the failure and at the
body that was sent; it returns an edit, or None. The words are those of OpenAI's API (error codes of the Responses API),
of the Codex backend, of FastAPI, and of relays as their users report them.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

from codex_transform.attempts.edits import (
    Attachment,
    Body,
    DropItems,
    DropMember,
    DropParameter,
    DropReasoning,
    DropTools,
    Edit,
    Path,
    ReplaceAttachments,
    ReplaceInstructions,
    attachments,
    digest,
    encrypted_reasoning,
    find,
)
from codex_transform.attempts.failure import Failure
from codex_transform.text import one_line


class Scope(Enum):
    """For whom an edit that helped is remembered."""

    CONVERSATION = "for the conversation"
    ENDPOINT = "for a day, for this endpoint and model"


class Instructions(NamedTuple):
    """Instructions that may be sent: `source` names where they come from, as in `InstructionStore.source`."""

    text: str
    source: str


class Sent(NamedTuple):
    """What was sent: the body, and how to get the model's own Codex instructions, the newest first.

    `own_instructions` is true if those that were sent are the user's.
    """

    body: Body
    codex_instructions: Callable[[], Sequence[Instructions]] = tuple
    own_instructions: bool = False


class Rule(NamedTuple):
    """One kind of refusal."""

    name: str
    find: Callable[[Failure, Sent], Edit | None]
    scope: Scope


_INVALID = (400, 404, 415, 422)
_POLICIES = ("context_length_exceeded", "cyber_policy", "bio_policy", "content_policy_violation", "model_not_found")


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


# --- encrypted reasoning

_NOT_DECRYPTED = _words(r"encrypted[ _]content\b.*\b(verified|decrypted|parsed|invalid)|invalid_encrypted_content")


def encrypted_content(failure: Failure, sent: Sent) -> Edit | None:
    """Leave out the encrypted reasoning of a history that another account or endpoint made."""
    if failure.code != "invalid_encrypted_content" and not _NOT_DECRYPTED.search(failure.message):
        return None
    contents = (encrypted_reasoning(item) for item in sent.body["input"])
    digests = frozenset(digest(content) for content in contents if content)
    return DropReasoning(digests) if digests else None


# --- images

_BAD_IMAGE = _words(
    r"(valid|support|supported|process|decode|download|fetch|read|parse|corrupt|unsupported|format|mime)\b.*\bimage"
    r"|image\b.*\b(valid|support|supported|process|decode|download|fetch|read|parse|corrupt|unsupported|format|mime)"
    r"|unsupported (mime|media|image)|图片"
)
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")


def invalid_image(failure: Failure, sent: Sent) -> Edit | None:
    """Replace the image that the endpoint names, or all that are none of PNG, JPEG, GIF and WebP, or else all."""
    about_image = failure.code.startswith(("invalid_image", "image_", "unsupported_image")) or bool(
        _BAD_IMAGE.search(failure.message)
    )
    if failure.status not in _INVALID or not about_image or failure.code in _PARAMETER_CODES:
        return None
    images = [each for each in attachments(sent.body) if each.is_image]
    path = input_path(failure)
    named = [each for each in images if _is_at(each, path)] or [
        each for each in images if each.url.startswith("http") and each.url in failure.message
    ]
    chosen = named or [each for each in images if not _is_image(each.url)] or images
    why = f"the endpoint refused it ({one_line(_brief(failure), 160)})"
    return ReplaceAttachments(frozenset(digest(each.part) for each in chosen), why) if chosen else None


def _is_at(attachment: Attachment, path: Path) -> bool:
    return len(path) >= 3 and path[0] == attachment.item and path[2] == attachment.position


def _is_image(url: str) -> bool:
    """Return whether an image begins like one; an address says nothing about that."""
    if not url.startswith("data:"):
        return True
    head, _, data = url[:200].partition(",")
    try:
        beginning = b64decode(data[:32] + "=" * (-len(data[:32]) % 4)) if head.endswith(";base64") else data.encode()
    except (Base64Error, ValueError):
        return False
    return beginning.startswith(_SIGNATURES)


# --- items and their members, named by `param`

_INPUT_PATH = re.compile(r"\binput((?:\[\d+\]|\.\d+)[\w.\[\]]*)")
_STEP = re.compile(r"\d+|[A-Za-z_]\w*")

# A text that is too long, a policy, a call without its output: leaving something out would not cure these.
_NOT_THE_FORM = _words(r"above.max.length|string too long|too long|No tool (call|output) found|context window|policy")

# Without these an item is not what it was.
_ESSENTIAL = frozenset(
    {
        "arguments", "call_id", "content", "file_data", "file_id", "file_url", "image_url", "input", "name", "output",
        "role", "summary", "text", "type",
    }
)  # fmt: skip
_MESSAGE = ("type", "role", "content")
_TEXTS = ("input_text", "output_text", "refusal")

# Types that every endpoint knows: it is this item that is wrong, not its type.
_PAIRED = ("function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output")


def input_path(failure: Failure) -> Path:
    """Return the path within `input` that a failure names, `(7, "foo")` for `input[7].foo`; () if it names none."""
    for text in (failure.param, failure.message):
        if match := _INPUT_PATH.search(text):
            return tuple(int(step) if step.isdecimal() else step for step in _STEP.findall(match[1]))
    return ()


def refused_item(failure: Failure, sent: Sent) -> Edit | None:
    """Leave out the item, or the member of one, that the endpoint names; a message keeps its text."""
    path = input_path(failure)
    items = sent.body["input"]
    if (
        failure.status not in _INVALID
        or not path
        or not isinstance(path[0], int)
        or path[0] >= len(items)
        or failure.code in _POLICIES
        or _NOT_THE_FORM.search(f"{failure.code} {failure.message}")
    ):
        return None
    item, inside = items[path[0]], path[1:]
    kind = item["type"]
    if inside and isinstance(inside[-1], str) and inside[-1] not in _ESSENTIAL and _holds(item, inside):
        return DropMember(kind, tuple("*" if isinstance(step, int) else step for step in inside))
    if kind != "message":
        return _without_items(item, inside, unknown=failure.code in _PARAMETER_CODES)
    if len(inside) >= 2 and inside[0] == "content":
        part = find(item, inside[:2])
        if isinstance(part, dict) and part.get("type") not in _TEXTS:
            why = f"the endpoint refused it ({one_line(_brief(failure), 160)})"
            return ReplaceAttachments(frozenset({digest(part)}), why)
        return None
    extra = next((name for name in item if name not in _MESSAGE), None)
    return DropMember(kind, (extra,)) if extra and not inside else None


def _without_items(item: Body, inside: Path, *, unknown: bool) -> Edit:
    """Leave out the items that are as wrong as this one: those of its type, if that is wrong, or with the same value.

    `unknown` is true if the endpoint does not know the member at all.
    """
    kind = item["type"]
    path = () if unknown or find(item, inside) is None else inside
    if path in ((), ("type",)):
        path = inside if unknown and kind in _PAIRED else () if kind in _PAIRED else ("type",)
    return DropItems(kind, path, digest(find(item, path)))


def _holds(item: Body, path: Path) -> bool:
    holder = find(item, path[:-1])
    return isinstance(holder, dict) and path[-1] in holder


# --- parameters

_PARAMETER_CODES = ("unsupported_parameter", "unknown_parameter", "extra_forbidden", "unrecognized_parameter")

_NAME = r"[`'\"]?(?:body\.)?(?P<name>[A-Za-z_][\w.\[\]]*)[`'\"]?"
_QUOTED_NAME = r"(?=[`'\"]|[a-z]+[_.][a-z])" + _NAME
_UNSUPPORTED = tuple(
    map(
        _words,
        (
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
        ),
    )
)

# Without these there is no request, or another one than the user's.
_ESSENTIAL_PARAMETERS = frozenset({"model", "input", "instructions", "stream", "store"})
_ESSENTIAL_IN_TOOLS = frozenset({"type", "name", "parameters", "description", "format"})
_CLIENT_TOOLS = ("function", "custom", "local_shell")

# Where the value is at fault, these may go; the effort is the user's choice.
_OPTIONAL_VALUES = frozenset({"reasoning.summary", "text.verbosity", "service_tier", "include", "prompt_cache_key"})


def unsupported_parameter(failure: Failure, sent: Sent) -> Edit | None:
    """Leave out a parameter that the endpoint does not take, unless the request would be another one without it."""
    if failure.status not in _INVALID or failure.code in _POLICIES:
        return None
    names: list[str] = []
    if failure.param and failure.code in _PARAMETER_CODES:
        names = [failure.param]
    elif failure.code == "unsupported_value":
        names = [failure.param] if failure.param in _OPTIONAL_VALUES else []
    else:
        names = [match["name"] for pattern in _UNSUPPORTED for match in pattern.finditer(failure.message)]
    edits = (_without_parameter(name.removeprefix("body."), sent.body) for name in names)
    return next((edit for edit in edits if edit), None)


def _without_parameter(name: str, body: Body) -> Edit | None:
    steps = [int(step) if step.isdecimal() else step for step in _STEP.findall(name)]
    if not steps or steps[0] in _ESSENTIAL_PARAMETERS or steps[0] not in body:
        return None
    if steps[0] == "tools":
        return _without_tool(steps[1:], body)
    path: list[str] = []
    for step in steps:
        if isinstance(step, int):
            break  # what a list holds goes with the list
        path.append(step)
    if _is_wanted(body, path) or not _holds(body, tuple(path)):
        return None
    return DropParameter(".".join(path))


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
        return DropParameter(f"tools[*].{steps[1]}") if steps[1] in tool else None
    kind = tool.get("type")
    return DropTools(kind) if isinstance(kind, str) and kind not in _CLIENT_TOOLS else None


# --- instructions

_BAD_INSTRUCTIONS = _words(r"\binstructions?\b.*\bnot (valid|allowed|supported|accepted)|\binvalid instructions?\b")


def is_about_instructions(failure: Failure) -> bool:
    """Return whether the endpoint refused the instructions."""
    return failure.status in (400, 403, 422) and (
        failure.param == "instructions" or bool(_BAD_INSTRUCTIONS.search(failure.message))
    )


def refused_instructions(failure: Failure, sent: Sent) -> Edit | None:
    """Send the model's own Codex instructions, the newest first: some endpoints accept no others."""
    refused = sent.body.get("instructions")
    if not is_about_instructions(failure) or not isinstance(refused, str):
        return None
    texts = sent.codex_instructions()
    tried = next((place for place, each in enumerate(texts) if each.text == refused), -1)
    if tried + 1 >= len(texts):
        return None
    text, source = texts[tried + 1]
    return ReplaceInstructions(digest(refused), text, source, kept=sent.own_instructions)


# --- size

_TOO_LARGE = _words(
    r"\b(request|body|payload|entity|content)\b.{0,40}\btoo (large|big)\b|request_too_large|请求体过大"
    r"|\b(exceed|larger than|over)\w*\b.{0,60}\b((body|payload) (size|limit|length)|request size)"
    r"|\b(body|payload|request size)\b.{0,40}\bexceed"
)


def is_too_large(failure: Failure) -> bool:
    """Return whether the body, rather than the model's context, was too large."""
    if failure.status in (None, 401, 403, 429) or failure.code in _POLICIES:
        return False
    return failure.status == 413 or bool(_TOO_LARGE.search(failure.message))


def too_large(failure: Failure, sent: Sent) -> Edit | None:
    """Leave out the attachments of earlier turns."""
    if not is_too_large(failure):
        return None
    items = sent.body["input"]
    last = max((index for index, item in enumerate(items) if item.get("role") == "user"), default=0)
    digests = frozenset(digest(each.part) for each in attachments(sent.body) if each.item < last)
    return ReplaceAttachments(digests, "the request was too large for the endpoint") if digests else None


def _brief(failure: Failure) -> str:
    return failure.message.split("\n", 1)[0].rstrip(" .")


RULES: tuple[Rule, ...] = (
    Rule("encrypted content", encrypted_content, Scope.CONVERSATION),
    Rule("image", invalid_image, Scope.CONVERSATION),
    Rule("item", refused_item, Scope.CONVERSATION),
    Rule("parameter", unsupported_parameter, Scope.ENDPOINT),
    Rule("instructions", refused_instructions, Scope.ENDPOINT),
    Rule("size", too_large, Scope.CONVERSATION),
)
"""The rules that change a request, in the order in which they are asked."""
