from collections.abc import Callable
from typing import Any

import pytest

from codex_transform.clients.client import OPENCODE_2
from codex_transform.request import Context

OPENINGS = [
    "You are OpenCode, a made-up helper.",
    "You are opencode, an invented agent.",
    "YOU ARE OPENCODE, SHOUTED.",
    "\n  You are OpenCode, indented.",
    "You are a coding agent running in the opencode, or so this test says.",
    "You are a coding agent running in OpenCode",
    "You are an AI agent powered by OpenCode, says this test.",
]
MARKS = [
    "You are powered by the model named gpt-5.2.",
    "Here is some useful information about the environment:",
    "<env>",
    "<environment_context>",
    "<directories>",
    "<files>",
    "<project>",
    "Project references provide more folders.",
    "<available_references>",
    "Instructions from: /home/me/AGENTS.md",
    "<instructions>",
    "# AGENTS.md",
    "# Project rules",
    "<mcp_instructions>",
    "Skills provide specialized help.",
    "<available_skills>",
]
RULES = "Rules of the house.\n\n# How to work\n- carefully\n  <env> inside a line is no mark\n"
CONTEXT = (
    "You are powered by the model named x.\n<env>\n  Platform: linux\n</env>\nInstructions from: /p/AGENTS.md\nBe kind."
)
NOT_OPENCODES = [
    "You are OpenCode's reviewer.\n" + CONTEXT,
    "You are OpenCoder, mine.\n" + CONTEXT,
    "You are opencode-auditor.\n" + CONTEXT,
    "You are a coding agent running in my basement.\n" + CONTEXT,
    "You are a title generator.\n" + CONTEXT,
    "I say: You are OpenCode, aren't you?\n" + CONTEXT,
    CONTEXT,
    "Be brief.",
    "",
]


def texts(body: dict[str, Any]) -> list[str]:
    return [part["text"] for item in body["input"] for part in item["content"]]


@pytest.mark.parametrize("opening", OPENINGS)
@pytest.mark.parametrize("role", ["developer", "system"])
def test_the_prompt_is_removed_and_the_context_stays(opening: str, role: str, run: Callable[..., Any]) -> None:
    items = [{"role": role, "content": f"{opening}\n{RULES}\n{CONTEXT}"}, {"role": "user", "content": "hi"}]
    assert texts(run(input=items).body) == [CONTEXT, "hi"]


@pytest.mark.parametrize("mark", MARKS)
def test_every_marker_ends_the_prompt(mark: str, run: Callable[..., Any]) -> None:
    items = [{"role": "developer", "content": f"{OPENINGS[0]}\n{RULES}{mark}\nmine\n<env>\n"}]
    assert texts(run(input=items).body) == [f"{mark}\nmine\n<env>\n"]


@pytest.mark.parametrize("text", NOT_OPENCODES)
def test_another_prompt_is_never_touched(text: str, run: Callable[..., Any]) -> None:
    items = [{"role": "developer", "content": text}, {"role": "user", "content": "hi"}]
    assert texts(run(input=items).body) == [text, "hi"]
    assert texts(run(instructions=text or None, input="hi").body) == ([text] if text else []) + ["hi"]


@pytest.mark.parametrize("opening", OPENINGS)
def test_without_a_marker_nothing_is_removed(opening: str, run: Callable[..., Any]) -> None:
    text = f"{opening}\nAnd always answer in rhyme."
    for following in ({"role": "user", "content": CONTEXT}, {"role": "developer", "content": "Be brief."}):
        items = [{"role": "developer", "content": text}, following]
        assert texts(run(input=items).body) == [text, following["content"]]
    assert texts(run(input=[{"role": "developer", "content": text}]).body) == [text]


@pytest.mark.parametrize("mark", MARKS)
def test_a_whole_prompt_is_removed_when_the_next_message_begins_with_a_marker(
    mark: str, run: Callable[..., Any]
) -> None:
    prompt, context = f"{OPENINGS[0]}\n{RULES}", f"{mark}\nmine"
    two = [{"role": "developer", "content": prompt}, {"role": "system", "content": context}]
    assert texts(run(input=two).body) == [context]
    parts = [{"type": "input_text", "text": prompt}, {"type": "input_text", "text": context}]
    assert texts(run(input=[{"role": "developer", "content": parts}]).body) == [context]


def test_other_parts_of_the_message_stay(run: Callable[..., Any]) -> None:
    image = {"type": "input_image", "image_url": "data:,"}
    content = [image, {"type": "input_text", "text": f"{OPENINGS[0]}\n{RULES}{CONTEXT}"}, image]
    sent = run(input=[{"role": "developer", "content": content}]).body["input"]
    assert sent[0]["content"] == [image, {"type": "input_text", "text": CONTEXT}, image]
    content = [image, {"type": "input_text", "text": OPENINGS[0]}]
    following = {"role": "developer", "content": CONTEXT}
    sent = run(input=[{"role": "developer", "content": content}, following]).body["input"]
    assert [part for item in sent for part in item["content"]] == [image, {"type": "input_text", "text": CONTEXT}]


def test_only_leading_messages_are_searched(run: Callable[..., Any]) -> None:
    prompt = {"role": "developer", "content": f"{OPENINGS[0]}\n{CONTEXT}"}
    for first in ({"role": "user", "content": "hi"}, {"type": "reasoning", "summary": []}):
        sent = run(input=[first, prompt]).body["input"]
        assert sent[1]["content"][0]["text"] == prompt["content"]
    sent = run(input=[{"role": "user", "content": prompt["content"]}]).body
    assert texts(sent) == [prompt["content"]]


def test_a_prompt_after_another_leading_message_is_found(run: Callable[..., Any]) -> None:
    items = [
        {"role": "developer", "content": "Mine."},
        {"role": "developer", "content": f"{OPENINGS[0]}\n{CONTEXT}"},
    ]
    assert texts(run(input=items).body) == ["Mine.", CONTEXT]


def test_a_prompt_in_instructions_is_removed_too(run: Callable[..., Any]) -> None:
    prompt = f"{OPENINGS[0]}\n{RULES}{CONTEXT}"
    assert texts(run(instructions=prompt, input="hi").body) == [CONTEXT, "hi"]
    items = [{"role": "developer", "content": CONTEXT}]
    assert texts(run(instructions=OPENINGS[0], input=items).body) == [CONTEXT]


def test_consecutive_prompts_are_removed_in_one_pass(run: Callable[..., Any]) -> None:
    items = [
        {"role": "developer", "content": OPENINGS[0]},
        {"role": "developer", "content": OPENINGS[1]},
        {"role": "developer", "content": f"{OPENINGS[2]}\n{CONTEXT}"},
    ]
    assert texts(run(input=items).body) == [CONTEXT]  # `run` checks that a second pass changes nothing


def test_with_codex_mode_off_the_prompt_stays(run: Callable[..., Any], context: Callable[..., Context]) -> None:
    prompt = f"{OPENINGS[0]}\n{RULES}{CONTEXT}"
    items = [{"role": "developer", "content": prompt}]
    assert texts(run(context(mode=False), input=items).body) == [prompt]


def test_a_marker_far_beyond_opencodes_own_text_is_ignored(run: Callable[..., Any]) -> None:
    text = f"{OPENINGS[0]}\n" + "my own words, a lot of them\n" * 100_000 + CONTEXT
    assert texts(run(input=[{"role": "developer", "content": text}]).body) == [text]


def test_the_prompts_own_section_on_rules_files_is_no_marker(run: Callable[..., Any]) -> None:
    """OpenCode 1.0.185 and 1.1.11 have one in their prompt for Codex models; a file's own heading is a marker."""
    prompt = f"{OPENINGS[4]}\n{RULES}# AGENTS.md spec\n- Where such files lie.\n\n# Tools\n"
    for context in (CONTEXT, "# AGENTS.md\nBe kind."):
        assert texts(run(input=[{"role": "developer", "content": prompt + context}]).body) == [context]
    assert texts(run(input=[{"role": "developer", "content": prompt}]).body) == [prompt]


@pytest.mark.parametrize("opening", ["You are an AI coding agent. Says the preview.", "You are opencode, the release."])
def test_the_prompts_of_opencode_2_are_removed(
    opening: str, run: Callable[..., Any], context: Callable[..., Context]
) -> None:
    items = [{"role": "system", "content": f"{opening}\n{RULES}\n{CONTEXT}"}, {"role": "user", "content": "hi"}]
    assert texts(run(context(client=OPENCODE_2), input=items).body) == [CONTEXT, "hi"]
    if "opencode" not in opening:
        assert texts(run(input=items).body) == [items[0]["content"], "hi"]
