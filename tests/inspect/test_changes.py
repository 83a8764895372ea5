"""The lines on what changed in a request: the notes, with the values of both bodies."""

import copy
import json
from typing import Any

from hypothesis import given
from request.test_changes import context, notes
from request.test_properties import anything, contexts, requests

from codex_transform.inspect.changes import CHANGED_ELSEWHERE, change_lines, item_marks
from codex_transform.inspect.text import WIDTH
from codex_transform.request import Context
from codex_transform.request.changes import Change
from codex_transform.text import display_width

BODY: dict[str, Any] = {
    "model": "gpt-5.1-codex",
    "store": True,
    "temperature": 0.2,
    "reasoning": {"effort": "minimal", "summary": "auto"},
    "tools": [{"type": "function", "name": "bash", "parameters": {}}],
    "input": [
        {"role": "user", "content": "hello", "id": "msg_1"},
        {"role": "user", "content": "again", "id": "msg_2"},
        {"type": "function_call_output", "call_id": "c", "output": "left"},
    ],
}
SENT, NOTES = notes(BODY, context())


def first_lines(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("    ")]


def test_notes_are_shown_with_the_values_of_both_bodies() -> None:
    lines = list(change_lines(NOTES, BODY, SENT))
    assert first_lines(lines) == [
        "~ store: true → false",
        "+ stream: true",
        '+ include: ["reasoning.encrypted_content"]',
        "~ reasoning.effort: minimal → low",
        "+ instructions: Codex text.",
        "- temperature: 0.2",
        "~ input[*].type: 2 items",
        "~ input[*].content: 2 items",
        "- input[*].id: 2 items",
        "~ input[3]: assistant, 39 characters",
        lines[-2],
    ]
    assert lines[-2].startswith("+ input[0]: developer, ")
    assert lines[lines.index("- temperature: 0.2") + 1] == "    Codex endpoints reject this field."
    assert item_marks(NOTES) == {0: "+", 3: "~"}


def test_notes_are_shown_without_the_clients_body_too() -> None:
    lines = first_lines(list(change_lines(NOTES, None, SENT)))
    assert lines[0] == "~ store: false"
    assert "~ reasoning.effort: low" in lines
    assert "- temperature" in lines
    assert len(lines) == len(NOTES)
    assert first_lines(list(change_lines(NOTES, None, {})))[0] == "~ store"


def test_without_notes_the_fields_are_compared() -> None:
    lines = list(change_lines(None, BODY, SENT))
    assert "~ store: true → false" in lines
    assert "- temperature: 0.2" in lines
    assert '~ reasoning: {"effort": "minimal", "summary": "auto"} → {"effort": "low", "summary": "auto"}' in " ".join(
        line.strip() for line in lines
    )
    assert "~ input: 3 items → 4 items" in lines
    assert CHANGED_ELSEWHERE not in " ".join(lines)


def test_changes_without_a_note_are_attributed_to_others() -> None:
    sent = {**copy.deepcopy(SENT), "temperature": 1, "user": "me"}
    lines = list(change_lines(NOTES, {**BODY, "seed": 1}, sent))
    assert lines[-4:] == ["- seed: 1", f"    {CHANGED_ELSEWHERE}", "+ user: me", f"    {CHANGED_ELSEWHERE}"]


def test_single_items_with_added_or_changed_text_are_marked() -> None:
    assert item_marks(
        [
            Change("added", "input[1]", "."),
            Change("changed", "input[1].content[*].text", "."),
            Change("changed", "input[2].content[*].text", "."),
            Change("changed", "input[3].content", "."),
            Change("removed", "input[4]", "."),
            Change("changed", "input[*]", ".", 2),
        ]
    ) == {1: "+", 2: "~"}


def test_the_lines_for_a_hostile_flow_file_are_bounded() -> None:
    many = [Change("added", f"{number}.x", "long " * 100_000) for number in range(5000)]
    lines = list(change_lines(many, {"a": 1}, {"b": 1}))
    assert lines[-1] == "[cut: 4,902 more changes]"
    assert len(lines) < 2000
    hostile = [Change("added", "\x1b[2J" + "wide " * 30, "\u202e"), Change("changed", "input[99999999]", "")]
    for line in change_lines(hostile, BODY, SENT):
        assert display_width(line) <= WIDTH
        assert line.isprintable()
        assert "\x1b" not in line


@given(requests, contexts)
def test_every_change_is_explained(body: dict[str, Any], using: Context) -> None:
    sent, found = notes(body, using)
    before = copy.deepcopy((body, sent))
    text = "\n".join(change_lines(found, body, sent))
    assert CHANGED_ELSEWHERE not in text
    assert bool(text) == (body != sent)
    assert list(change_lines(None, sent, copy.deepcopy(sent))) == []
    assert (body, sent) == before


@given(requests | anything, requests | anything, requests, contexts)
def test_any_two_bodies_can_be_shown(one: Any, other: Any, body: dict[str, Any], using: Context) -> None:
    before, after = (each if isinstance(each, dict) else {"input": each} for each in (one, other))
    _, found = notes(body, using)
    for line in [*change_lines(found, before, after), *change_lines(None, before, after)]:
        assert display_width(line) <= WIDTH
    assert json.dumps(item_marks(found))
