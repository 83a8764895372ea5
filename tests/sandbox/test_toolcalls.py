"""An action uses the right tool of a request, with that tool's own argument names."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from codex_transform.sandbox.toolcalls import Action, Read, Run, Tool, Use, Write, call

PATCH = "*** Begin Patch\n*** Add File: a.txt\n+x\n+y\n*** End Patch"


def tool(name: str, *required: str, **properties: Any) -> dict[str, Any]:
    rules = {key: rule if isinstance(rule, dict | bool) else {"type": rule} for key, rule in properties.items()}
    return {"type": "function", "name": name, "parameters": {"properties": rules, "required": list(required)}}


def arguments(action: Action, *tools: Tool, folder: str | None = None) -> tuple[str, Any]:
    item = call(action, tools, folder)
    assert item is not None
    return item["name"], from_json(item["arguments"])


APPLY_PATCH = tool("apply_patch", "patchText", patchText="string")
WRITE = tool("write", "filePath", "content", filePath="string", content="string")
EDIT = tool(
    "edit",
    "filePath",
    "oldString",
    "newString",
    filePath="string",
    oldString="string",
    newString="string",
    all="boolean",
)
BASH = tool("bash", "command", "description", command="string", description="string", timeout="number")
CODEX_SHELL = tool("shell", "command", command={"type": "array", "items": {"type": "string"}}, workdir="string")
EXEC = tool("exec_command", "cmd", cmd="string", login="boolean")
READ = tool("read", "filePath", filePath="string", offset="integer")

WRITING = Write("a.txt", "x\ny")


@pytest.mark.parametrize(
    ("tools", "name", "expected"),
    [
        ((BASH, EDIT, WRITE, APPLY_PATCH), "apply_patch", {"patchText": PATCH}),
        ((tool("apply_patch", "input", input="string"),), "apply_patch", {"input": PATCH}),
        ((tool("patch", "patchText", patchText="string"),), "patch", {"patchText": PATCH}),
        ((BASH, EDIT, WRITE), "write", {"filePath": "/w/a.txt", "content": "x\ny\n"}),
        ((BASH, EDIT), "edit", {"filePath": "/w/a.txt", "oldString": "", "newString": "x\ny\n"}),
        (
            (tool("fs_write_file", path="string", contents="string"),),
            "fs_write_file",
            {"path": "/w/a.txt", "contents": "x\ny\n"},
        ),
        (
            (READ, BASH),
            "bash",
            {"command": "printf '%s\\n' 'x\ny' > a.txt", "description": "Writes the file"},
        ),
    ],
)
def test_a_file_is_written_with_the_best_tool_available(
    tools: tuple[dict[str, Any], ...], name: str, expected: dict[str, Any]
) -> None:
    assert arguments(WRITING, *tools, folder="/w") == (name, expected)


@pytest.mark.parametrize(
    ("shell", "expected"),
    [
        (BASH, {"command": "ls -la", "description": "Runs the command that was asked for"}),
        (CODEX_SHELL, {"command": ["bash", "-lc", "ls -la"]}),
        (EXEC, {"cmd": "ls -la"}),
    ],
)
def test_a_command_is_a_string_or_a_list_as_the_schema_says(shell: dict[str, Any], expected: dict[str, Any]) -> None:
    assert arguments(Run("ls -la"), READ, shell)[1] == expected


def test_freeform_and_local_shell_tools_get_their_own_kinds_of_items() -> None:
    item = call(WRITING, [{"type": "custom", "name": "apply_patch"}], None)
    assert item is not None
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "apply_patch", PATCH)
    item = call(Run("ls"), [{"type": "local_shell"}], "/w")
    assert item is not None
    assert item["type"] == "local_shell_call"
    assert item["action"] == {"type": "exec", "command": ["bash", "-lc", "ls"], "working_directory": "/w", "env": {}}
    # A freeform write tool takes no patch, so another tool is used.
    assert arguments(WRITING, {"type": "custom", "name": "write"}, EDIT)[0] == "edit"


def test_a_file_is_read_with_a_tool_or_the_shell() -> None:
    assert arguments(Read("b.txt"), BASH, READ, folder="/w") == ("read", {"filePath": "/w/b.txt"})
    assert arguments(Read("/x/b.txt"), READ, folder="/w") == ("read", {"filePath": "/x/b.txt"})
    assert arguments(Read("b.txt"), READ, folder="C:\\w") == ("read", {"filePath": "C:\\w\\b.txt"})
    assert arguments(Read("b.txt"), READ) == ("read", {"filePath": "b.txt"})
    assert arguments(Read("it's"), BASH)[1]["command"] == "cat 'it'\"'\"'s'"


def test_a_named_tool_is_called_with_given_arguments_or_examples() -> None:
    todo = {"type": "object", "properties": {"done": {"type": "boolean"}, "note": {}}, "required": ["done"]}
    odd = tool(
        "odd",
        *("mode", "count", "todo", "list", "maybe", "any", "free"),
        mode={"type": "string", "enum": ["fast", "slow"]},
        count="integer",
        todo=todo,
        list="array",
        maybe={"type": ["string", "null"]},
        any=True,
        free={},
        optional="string",
    )
    expected = {
        "mode": "fast", "count": 1, "todo": {"done": False}, "list": [], "maybe": "sandbox", "any": None, "free": None,
    }  # fmt: skip
    assert arguments(Use("odd"), BASH, odd) == ("odd", expected)
    assert arguments(Use("odd", {"a": [1]}), odd) == ("odd", {"a": [1]})
    assert arguments(Use("bash"), BASH)[1] == {"command": "echo sandbox", "description": "sandbox"}
    item = call(Use("note", text="hello"), [{"type": "custom", "name": "note"}], None)
    assert item is not None
    assert item["input"] == "hello"


def test_without_a_matching_tool_there_is_no_call() -> None:
    assert call(WRITING, [READ], None) is None
    assert call(Run("ls"), [], None) is None
    assert call(Use("other"), [BASH], None) is None
    assert call(Use("web_search"), [{"type": "web_search"}], None) is None


keywords = st.sampled_from(["type", "enum", "properties", "required"])
rules = st.recursive(
    st.dictionaries(keywords, st.sampled_from(["string", "object", "array", ["null"], [], 1])) | st.booleans(),
    lambda inner: st.fixed_dictionaries({"type": st.just("object"), "properties": st.dictionaries(st.text(), inner)}),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["path", "content", "command", "other"]), rules))
def test_any_schema_gives_all_required_arguments(properties: dict[str, Any]) -> None:
    anything = tool("bash", *properties, **properties)
    assert set(arguments(Run("ls"), anything)[1]) == set(properties)
