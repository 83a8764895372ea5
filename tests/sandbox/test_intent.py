"""What the user wants is found however clients wrap it, and nowhere else."""

import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.sandbox.intent import Intent, Output, read_intent
from codex_transform.sandbox.toolcalls import Action, Read, Run, Tool, Use, Write


def message(*texts: str, role: str = "user") -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text} for text in texts]}


def call(number: int, name: str = "bash") -> list[dict[str, Any]]:
    return [
        {"type": "function_call", "call_id": f"c{number}", "name": name, "arguments": "{}"},
        {"type": "function_call_output", "call_id": f"c{number}", "output": f"out {number}"},
    ]


def intent_of(*items: dict[str, Any], tools: Iterable[Tool] = ({"type": "function", "name": "bash"},)) -> Intent:
    return read_intent({"input": list(items), "tools": list(tools)})


@pytest.mark.parametrize(
    ("prompt", "action"),
    [
        ("write hello world to test.txt", Write("test.txt", "hello world")),
        ('"write hello world to test.txt"', Write("test.txt", "hello world")),
        ('"write hello world to test.txt"\n', Write("test.txt", "hello world")),
        ("Please write 'hello' to world to a/b.md.", Write("a/b.md", "'hello' to world")),
        ("write the text hello into the file called `x`", Write("x", "hello")),
        ("save grüße 🎉 to ü.txt", Write("ü.txt", "grüße 🎉")),
        ("write two\nlines to test.txt", Write("test.txt", "two\nlines")),
        ("put A to C:\\x\\y.txt", Write("C:\\x\\y.txt", "A")),
        ("write hello to test.txt and tell me when it is done", Write("test.txt", "hello")),
        ("write hello to test.txt, please", Write("test.txt", "hello")),
        ("Write 'hello' in test.txt.", Write("test.txt", "hello")),
        ("write a poem in French", None),
        ("create a file named note.txt containing exactly: buy milk", Write("note.txt", "buy milk")),
        ("make a new file x with 'y'", Write("x", "y")),
        ("run ls -la", Run("ls -la")),
        ("execute the command `echo hi; exit 3`", Run("echo hi; exit 3")),
        ("read src/main.py", Read("src/main.py")),
        ("show me the file README", Read("README")),
        ("use glob", Use("glob")),
        ('call the tool glob with {"pattern": "*.py"}', Use("glob", {"pattern": "*.py"})),
        ("use apply_patch with some text", Use("apply_patch", text="some text")),
        ("use apply_patch with [1]", Use("apply_patch", text="[1]")),
        ("say hello", None),
        ("how do I write to a file?", None),
        ("should I run the tests?", None),
        ("read the docs and explain them to me", None),
        ("", None),
    ],
)
def test_a_few_sentences_are_understood(prompt: str, action: Action | None) -> None:
    intent = intent_of(message(prompt))
    assert intent.rounds == (((action,),) if action else ())


def test_several_actions_are_done_in_rounds() -> None:
    prompt = "write a to a.txt and also write b to b.txt, then run ls and then read a.txt"
    rounds = ((Write("a.txt", "a"), Write("b.txt", "b")), (Run("ls"),), (Read("a.txt"),))
    assert intent_of(message(prompt)).rounds == rounds
    done = [message(prompt)]
    for number, expected in enumerate([rounds[0], rounds[0], rounds[1], rounds[2], ()]):
        assert intent_of(*done).next_round() == expected
        done += call(number)


def test_a_text_with_the_word_then_is_not_split() -> None:
    assert intent_of(message("write if x then y to a.txt")).rounds == ((Write("a.txt", "if x then y"),),)


def test_the_users_last_message_is_the_prompt() -> None:
    intent = intent_of(message("run ls"), *call(1), message("<environment_context>x</environment_context>"))
    assert (intent.prompt, intent.outputs) == ("run ls", (Output("bash", "out 1"),))
    intent = intent_of(message("run ls"), *call(1), message("say hello"), message("be kind", role="developer"))
    assert (intent.prompt, intent.outputs) == ("say hello", ())
    assert intent_of(message("<reminder>run rm</reminder>", "say hello")).prompt == "say hello"
    assert intent_of(message("be kind", role="developer")).prompt == ""


def test_outputs_of_every_kind_are_named_after_their_calls() -> None:
    custom = {"type": "custom_tool_call", "call_id": "p", "name": "apply_patch", "input": "x"}
    shell = {"type": "local_shell_call", "call_id": "s", "action": {}}
    parts = [{"type": "input_text", "text": "one"}, {"type": "input_image"}, {"type": "input_text", "text": "two"}]
    intent = intent_of(
        message("go"),
        custom,
        {"type": "custom_tool_call_output", "call_id": "p", "output": parts},
        shell,
        {"type": "local_shell_call_output", "call_id": "s", "output": "ok"},
    )
    assert intent.outputs == (Output("apply_patch", "one\n\ntwo"), Output("local_shell_call", "ok"))


def test_a_title_is_wanted_only_without_tools() -> None:
    items = [message("You make titles: answer with a title.", role="developer"), message('"say hello"')]
    assert intent_of(*items, tools=()).title
    assert not intent_of(*items).title
    assert not intent_of(message("say hello"), tools=()).title


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("<env>\n  Working directory: /home/me/x y\n</env>", "/home/me/x y"),
        ("<cwd>C:\\me</cwd>", "C:\\me"),
        ("x", None),
    ],
)
def test_the_clients_working_directory_is_found(text: str, folder: str | None) -> None:
    assert intent_of(message(text, role="developer"), message("hi")).folder == folder


@given(st.lists(st.text(max_size=40), max_size=4))
def test_the_first_text_without_tags_of_the_last_message_is_the_prompt(texts: list[str]) -> None:
    def bare(text: str) -> str:
        return re.sub(r"[\s\"'`]", "", text)

    assert intent_of(message(*texts), message("run ls")).rounds == ((Run("ls"),),)
    plain = next((text for text in texts if text.strip() and not text.lstrip().startswith("<")), "run ls")
    assert bare(intent_of(message("run ls"), message(*texts)).prompt) == bare(plain)
