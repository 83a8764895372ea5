"""The bridge message, which tells a Codex model what tools it has here.

A Codex model's instructions speak of the Codex CLI's tools, sandbox and approvals. Other programs have others: with
OpenCode, which ones depends on its version, the agent and the user's MCP servers. So the message is written from the
request's own `tools` and from nothing else: the same tools give the same bytes, which keeps the endpoint's prompt cache
warm.

Strategy: extract from `tools` what the wording depends on (`_ToolSet`), then write the message from that alone.
Tool names are untrusted: they are shown in backquotes, without characters that could break out of them, and limited
in length and number.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

_EDITORS = (
    ("edit", "changes a file"),
    ("multiedit", "makes several changes to one file"),
    ("write", "creates or replaces one"),
    ("patch", "applies a patch"),
)
_SEARCH_TOOLS = ("read", "grep", "glob", "list")
_WEB_TOOLS = ("webfetch", "websearch")
_OTHER_TOOLS = ("apply_patch", "bash", "question", "skill", "task", "todoread", "todowrite")
_COMMON = frozenset((*_SEARCH_TOOLS, *_WEB_TOOLS, *_OTHER_TOOLS, *(name for name, _ in _EDITORS)))
# Names of OpenCode 2's that mean something else in other programs: the Codex CLI has had a `shell` too.
_OPENCODE_2 = frozenset(("shell", "subagent", "execute"))
_CODEX_ONLY = ("shell", "exec_command", "write_stdin", "update_plan", "view_image")

_MAX_NAME = 64
_MAX_NAMES = 48
_MAX_CACHED_NAMES = 1000  # no client has more tools, and the notes for them would only take memory


class _ToolSet(NamedTuple):
    """What the wording depends on.

    That is the names as shown, which of them are known, which run commands, and how `apply_patch` and these take their
    argument.
    """

    names: tuple[str, ...]
    known: frozenset[str]
    shells: tuple[str, ...]
    freeform_patch: bool
    patch_argument: str | None
    command_is_text: bool


def bridge_message(tools: Sequence[Mapping[str, Any]], program: str | None, codex_mode: bool) -> str | None:
    """Return the text for these `tools` of `program`, or None if there are no tools; None is a program without a name.

    With `codex_mode` it replaces the part on tools of OpenCode's own prompt, which is removed. Without, it is a short
    correction beside that prompt. Raises nothing: what a tool leaves open is left out.
    """
    tool_set = _read(tools, _COMMON | _OPENCODE_2 if program else _COMMON)
    if not tool_set.names:
        return None
    note = _full_note if codex_mode else _short_note
    return (note if len(tool_set.names) <= _MAX_CACHED_NAMES else note.__wrapped__)(tool_set, program)


def _read(tools: Sequence[Mapping[str, Any]], known: frozenset[str]) -> _ToolSet:
    by_name = {name: tool for tool in tools if type(name := tool.get("name")) is str}
    names: dict[str, None] = {}
    for tool in tools:
        name = tool.get("name")
        if type(name) is str and tool.get("type") == "function" and _is_plain(name):
            names[name] = None  # as nearly all are
        else:
            names.update(dict.fromkeys(_names(tool)))
    patch = by_name.get("apply_patch", {})
    shells = tuple(name for name in ("bash", "shell") if name in by_name and name in known)
    arguments = _properties(patch)
    return _ToolSet(
        tuple(names),
        known.intersection(names),
        shells,
        freeform_patch=patch.get("type") == "custom",
        patch_argument=_shown(next(iter(arguments))) if len(arguments) == 1 else None,
        command_is_text=all(_kind(_properties(by_name[name]).get("command")) == "string" for name in shells),
    )


def _names(tool: Mapping[str, Any]) -> Iterator[str]:
    """Yield a tool's names. One that the endpoint runs, such as web_search, may have no name but its type."""
    kind, members = tool.get("type"), tool.get("tools")
    unnamed = None if kind in ("function", "custom", "namespace") else kind
    for name in (tool.get("name"), tool.get("server_label"), unnamed):
        if type(name) is str and name:
            yield _shown(name)
            break
    else:
        return
    if kind == "namespace" and isinstance(members, list):
        for member in members:
            if isinstance(member, dict) and type(member.get("name")) is str:
                yield _shown(f"{name}.{member['name']}")


def _is_plain(name: str) -> bool:
    return len(name) <= _MAX_NAME and name.isidentifier()


def _shown(name: str) -> str:
    if _is_plain(name):
        return name
    plain = "".join(c if c.isprintable() and c != "`" else "_" for c in name[: _MAX_NAME + 1])
    return plain if len(plain) <= _MAX_NAME else f"{plain[:_MAX_NAME]}…"


def _properties(tool: Mapping[str, Any]) -> Mapping[Any, Any]:
    parameters = tool.get("parameters")
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    return properties if isinstance(properties, dict) else {}


def _kind(schema: object) -> object:
    return schema.get("type") if isinstance(schema, dict) else None


@lru_cache(maxsize=64)
def _full_note(tool_set: _ToolSet, program: str | None) -> str:
    has = frozenset(tool_set.names).__contains__
    lines = [
        "# Tools in this session",
        "",
        f"{_place(program)} Your instructions were written for the Codex CLI:"
        " keep to their way of working, but wherever they name a tool, a sandbox or an approval, this note is what"
        " holds.",
        "",
        *_listing(tool_set),
        "",
        *(f"- {line}" for line in _usage_lines(tool_set)),
        "",
    ]
    absent = [name for name in _CODEX_ONLY if not has(name)]
    if absent:
        lines.append(f"Tools of the Codex CLI that do not exist here: {_quoted(absent)}.")
    lines.append(_permissions(program))
    return "\n".join(lines)


@lru_cache(maxsize=64)
def _short_note(tool_set: _ToolSet, program: str | None) -> str:
    lines = [
        f"{_place(program)} Where your instructions name tools of the Codex CLI, this note is what holds.",
        *_listing(tool_set),
        *_commands(tool_set),
        *_editing(tool_set),
        *_planning(tool_set),
        f"{program} looks after permissions itself; there is no sandbox mode or escalation."
        if program
        else "There is no sandbox mode or escalation.",
    ]
    return "\n".join(lines)


def _place(program: str | None) -> str:
    return f"You are running {f'inside {program}' if program else 'in another program'}, not inside the Codex CLI."


def _permissions(program: str | None) -> str:
    absent = "no sandbox mode to set and no escalation to ask for, and no tool takes an argument for either."
    if program is None:
        return f"There is {absent}"
    return (
        f"{program} looks after permissions: it asks the user by itself when a call needs it. There is {absent}"
        " If a call is refused, do not repeat it: find another way or tell the user."
    )


def _listing(tool_set: _ToolSet) -> Iterator[str]:
    own = [name for name in tool_set.names if name in tool_set.known]
    others = [name for name in tool_set.names if name not in tool_set.known]
    if own:
        yield f"Call tools by exactly these names: {_quoted(own)}."
    if others:
        more = len(others) - _MAX_NAMES
        rest = f" and {more} more in this request's list of tools" if more > 0 else ""
        yield f"{'Also offered' if own else 'Offered'}: {_quoted(others[:_MAX_NAMES])}{rest}."
    yield "Their schemas say what arguments they take. No other tools exist."


def _usage_lines(tool_set: _ToolSet) -> Iterator[str]:
    has = frozenset(tool_set.names).__contains__
    yield from _commands(tool_set)
    yield from _editing(tool_set)
    if search := [name for name in _SEARCH_TOOLS if has(name)]:
        yield f"Reading and searching: {_quoted(search)}, rather than a shell command that does the same."
    if has("read") and not has("view_image"):
        yield "Images: `read` opens them, in place of `view_image`."
    yield from _planning(tool_set)
    if has("question"):
        yield "Asking the user: `question`, when you cannot decide without them."
    if agents := [name for name in ("task", "subagent") if name in tool_set.known]:
        yield f"Handing work to a subagent: {_quoted(agents)}."
    if "execute" in tool_set.known:
        yield "Calls that depend on each other: `execute` runs JavaScript, which may call further tools."
    if has("skill"):
        yield "Skills: `skill` loads one by name; use it when a listed skill fits the work."
    if web := [name for name in _WEB_TOOLS if has(name)]:
        yield f"The web: {_quoted(web)}."


def _commands(tool_set: _ToolSet) -> Iterator[str]:
    if tool_set.shells:
        form = " Its `command` is one string, not a list of words." if tool_set.command_is_text else ""
        yield f"Running commands: {_quoted(tool_set.shells)}, wherever a shell or terminal is meant.{form}"


def _editing(tool_set: _ToolSet) -> Iterator[str]:
    editors = [f"`{name}` {does}" for name, does in _EDITORS if name in tool_set.names]
    if "apply_patch" not in tool_set.names:
        instead = f"{', '.join(editors)}." if editors else "Nor is there another tool that edits files."
        yield f"Editing files: there is no `apply_patch` here, neither as a tool nor as a command. {instead}"
        return
    if tool_set.freeform_patch:
        form = "its input is the patch itself"
    elif tool_set.patch_argument:
        form = f"a function whose one argument, `{tool_set.patch_argument}`, holds the whole patch as a string"
    else:
        form = "a function; its schema says how it takes the patch"
    beside = f" Besides: {', '.join(editors)}." if editors else ""
    yield f"Editing files: `apply_patch`, {form}. It is no shell command.{beside}"


def _planning(tool_set: _ToolSet) -> Iterator[str]:
    if "todowrite" in tool_set.names:
        instead = "" if "update_plan" in tool_set.names else ", in place of `update_plan`"
        reads = "; `todoread` shows it" if "todoread" in tool_set.names else ""
        yield f"Planning: `todowrite` keeps the plan{instead}{reads}."


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
