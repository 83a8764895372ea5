"""From an action to a call of one of the request's tools.

Strategy: the sandbox knows no client's tools. It goes through the ways in which an action can be done, best first
(a patch, a write, an edit, a shell command), takes the first for which the request has a tool, and fills in that
tool's own schema: a property is recognised by what it is called, and one that must be there but means nothing to us
gets a harmless value of its type.
"""

import shlex
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from codex_transform.jsonio import dumps
from codex_transform.sandbox.schema import example, kind_of

Item = dict[str, Any]
Tool = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Write:
    """Put `content` into the file `path`."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class Run:
    """Run a shell command."""

    command: str


@dataclass(frozen=True, slots=True)
class Read:
    """Read a file."""

    path: str


@dataclass(frozen=True, slots=True)
class Use:
    """Call the tool of this name.

    With these arguments, with this text for a freeform tool, or with whatever its schema asks for.
    """

    tool: str
    arguments: Mapping[str, Any] | None = None
    text: str = "echo sandbox"


Action = Write | Run | Read | Use

_PATCH = ("apply_patch", "patch")
_WRITE = ("write", "write_file", "create_file", "create")
_EDIT = ("edit", "edit_file", "str_replace")
_READ = ("read", "read_file", "view_file", "open_file")
_SHELL = ("bash", "shell", "exec_command", "shell_command", "run_command", "execute_command", "local_shell", "exec")

# What a property means, by its name in lower case without dashes and underscores.
_MEANINGS = {
    "path": ("filepath", "path", "filename", "file", "targetfile"),
    "content": ("content", "contents", "text", "filetext"),
    "command": ("command", "cmd"),
    "patch": ("patchtext", "patch", "input", "diff"),
    "old": ("oldstring", "oldstr"),
    "new": ("newstring", "newstr"),
    "about": ("description", "title"),
}
_MEANING_OF = {name: meaning for meaning, names in _MEANINGS.items() for name in names}


def call(action: Action, tools: Sequence[Tool], folder: str | None) -> Item | None:
    """Return the output item that calls a tool for `action`; None if no tool of the request can do it.

    `folder` is where the client works, if it said so: most tools want absolute paths.
    """
    if isinstance(action, Use):
        tool = next((tool for tool in tools if name_of(tool) == action.tool), None)
        values = {"command": action.text, "patch": action.text}
        return _call(tool, values, folder, action.arguments) if tool else None
    for names, values in _ways(action, folder):
        for tool in tools:
            if _is_called(tool, names) and (item := _call(tool, values, folder)):
                return item
    return None


def tools_of(request: Mapping[str, Any]) -> list[Tool]:
    """Return the tools of a checked request, those in namespaces too, each of which then has its namespace's name.

    They are in the field, or in an item of the input, where the Codex CLI has them for its newest models.
    """
    given = [*(request.get("tools") or ())]
    for item in request["input"]:
        if item["type"] == "additional_tools":
            given += item["tools"]
    tools: list[Tool] = []
    for tool in given:
        if tool["type"] == "namespace":
            tools += ({**inner, "namespace": name_of(tool)} for inner in tool["tools"])
        else:
            tools.append(tool)
    return tools


def name_of(tool: Tool) -> str:
    """Return a tool's name; one that has none goes by its type."""
    name = tool.get("name", tool.get("type"))
    return name if isinstance(name, str) else ""


def new_id(kind: str) -> str:
    """Return a fresh id that shows where it comes from: `msg_sandbox_…`."""
    return f"{kind}_sandbox_{uuid.uuid4().hex}"


def _ways(action: Action, folder: str | None) -> Iterator[tuple[Sequence[str], dict[str, str]]]:
    if isinstance(action, Run):
        yield _SHELL, {"command": action.command, "about": "Runs the command that was asked for"}
    elif isinstance(action, Read):
        yield _READ, {"path": _absolute(action.path, folder)}
        yield _SHELL, {"command": f"cat {shlex.quote(action.path)}", "about": "Shows the file"}
    elif isinstance(action, Write):
        lines = "".join(f"+{line}\n" for line in action.content.split("\n"))
        patch = f"*** Begin Patch\n*** Add File: {action.path}\n{lines}*** End Patch"
        path = _absolute(action.path, folder)
        command = f"printf '%s\\n' {shlex.quote(action.content)} > {shlex.quote(action.path)}"
        yield _PATCH, {"patch": patch}
        yield _WRITE, {"path": path, "content": f"{action.content}\n"}
        yield _EDIT, {"path": path, "old": "", "new": f"{action.content}\n"}
        yield _SHELL, {"command": command, "about": "Writes the file"}


def _is_called(tool: Tool, names: Sequence[str]) -> bool:
    # A tool of an MCP server has the server's name before its own.
    name = name_of(tool).lower()
    return any(name == known or name.endswith(f"_{known}") for known in names)


def _call(
    tool: Tool, values: Mapping[str, str], folder: str | None, arguments: Mapping[str, Any] | None = None
) -> Item | None:
    ids = {"call_id": new_id("call"), "status": "completed"}
    named = {name: tool[name] for name in ("namespace",) if name in tool}
    kind = tool.get("type")
    if kind == "local_shell" and "command" in values:
        action: Item = {
            "type": "exec",
            "command": ["bash", "-lc", values["command"]],
            "working_directory": folder,
            "env": {},
        }
        return {"type": "local_shell_call", "id": new_id("lsh"), **ids, "action": action}
    if kind == "custom":
        text = values.get("patch") or values.get("command")
        if text and name_of(tool) == "exec":
            # The Codex CLI's newest models write JavaScript, which calls the other tools.
            text = f"text(await tools.exec_command({dumps({'cmd': text}).decode()}));"
        item = {"type": "custom_tool_call", "id": new_id("ctc"), **ids, "name": name_of(tool), "input": text, **named}
        return item if text else None
    if kind == "function":
        filled = arguments if arguments is not None else _fill(tool.get("parameters") or {}, values)
        return {
            "type": "function_call",
            "id": new_id("fc"),
            **ids,
            "name": name_of(tool),
            "arguments": dumps(filled).decode(),
            **named,
        }
    return None


def _fill(schema: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict):
        return {}
    filled: dict[str, Any] = {}
    for name, rule in properties.items():
        # In JSON Schema a rule may be just `true`.
        rule = rule if isinstance(rule, dict) else {}
        meaning = _MEANING_OF.get(name.lower().replace("_", "").replace("-", ""), "")
        if meaning in values and not ("type" in rule and kind_of(rule) not in ("string", "array")):
            text = values[meaning]
            # The Codex CLI's older shell tool takes an argument list.
            filled[name] = ["bash", "-lc", text] if kind_of(rule) == "array" else text
        elif isinstance(required, list) and name in required:
            filled[name] = example(rule, schema)
    return filled


def _absolute(path: str, folder: str | None) -> str:
    if folder is None:
        return path
    flavour = PurePosixPath if folder.startswith("/") else PureWindowsPath
    return str(flavour(folder) / path)
