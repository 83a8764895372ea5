"""Parameters that an endpoint does not support, in the shapes in which endpoints say so."""

from typing import Any

import pytest
from attempts.refusals import a_body, healed, openai, refused

from codex_transform.attempts.failure import Failure


@pytest.mark.parametrize(
    ("failure", "name"),
    [
        (refused(400, {"detail": "Unsupported parameter: truncate_at"}), "truncate_at"),
        (openai("Unknown parameter: 'client_metadata'.", "unknown_parameter", "client_metadata"), "client_metadata"),
        (openai("Unsupported parameter: 'top_k' is not supported with this model.", "unsupported_parameter"), "top_k"),
        (openai("Unrecognized request argument supplied: top_k"), "top_k"),
        (refused(400, {"error": {"message": 'json: unknown field "include"'}}), "include"),
        (refused(400, {"message": "property 'include' is unsupported"}), "include"),
        (refused(400, {"detail": "The parameter `include` is not supported"}), "include"),
        (refused(400, {"error": {"message": "Additional properties are not allowed ('include' was unexpected)"}}),
         "include"),
        (refused(422, {"detail": [{"loc": ["body", "include"], "msg": "Extra inputs are not permitted"}]}), "include"),
        (refused(400, {"error": "不支持的参数: include"}), "include"),
        (openai("The summary is not available.", "unsupported_value", "reasoning.summary"), "reasoning.summary"),
    ],
)  # fmt: skip
def test_a_parameter_is_left_out(failure: Failure, name: str) -> None:
    body = a_body(**{name.split(".")[0]: {"summary": "auto", "effort": "low"}}, tools=[])
    changed = healed(failure, body)
    assert changed is not None
    if "." in name:
        assert changed["reasoning"] == {"effort": "low"}
    else:
        assert name not in changed
    assert changed["input"] == body["input"]


@pytest.mark.parametrize(
    "words",
    [
        "Your reasoning is not allowed by the usage policy.",
        "The 'gpt-5.1' model is not supported when using Codex with a ChatGPT account.",
        "This text is not supported.",
    ],
)
def test_a_word_in_a_sentence_is_not_taken_for_a_parameter(words: str) -> None:
    assert healed(openai(words), a_body(reasoning={"effort": "high"}, text={"verbosity": "low"})) is None


@pytest.mark.parametrize("name", ["model", "input", "instructions", "stream", "store", "tools"])
def test_essential_parameters_stay(name: str) -> None:
    body = a_body(stream=True, store=False, tools=[])
    assert healed(refused(400, {"detail": f"Unsupported parameter: {name}"}), body) is None


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("text.format", {"text": {"format": {"type": "json_schema"}}}),
        ("text", {"text": {"format": {"type": "json_schema"}}}),
        ("tool_choice", {"tool_choice": "required"}),
    ],
)
def test_parameters_that_the_client_relies_on_stay(name: str, members: dict[str, Any]) -> None:
    assert healed(openai("No.", "unsupported_parameter", name), a_body(**members)) is None


def test_verbosity_and_the_default_tool_choice_are_left_out() -> None:
    verbose = healed(openai("No.", "unsupported_parameter", "text"), a_body(text={"verbosity": "low"}))
    assert verbose is not None
    assert "text" not in verbose
    assert healed(openai("No.", "unsupported_parameter", "tool_choice"), a_body(tool_choice="auto")) is not None


def test_the_users_effort_is_not_changed() -> None:
    failure = openai("Unsupported value: 'xhigh'", "unsupported_value", "reasoning.effort")
    assert healed(failure, a_body(reasoning={"effort": "xhigh"})) is None


def test_refused_members_of_tools_and_hosted_tools_are_left_out() -> None:
    tools = [{"type": "function", "name": "bash", "strict": True}, {"type": "web_search"}]
    strict = openai("Unknown parameter", "unknown_parameter", "tools[0].strict")
    changed = healed(strict, a_body(tools=tools))
    assert changed is not None
    assert changed["tools"] == [{"type": "function", "name": "bash"}, {"type": "web_search"}]
    hosted = openai("Unsupported parameter", "unsupported_parameter", "tools[1].type")
    changed = healed(hosted, a_body(tools=tools))
    assert changed is not None
    assert changed["tools"] == tools[:1]
    assert healed(openai("No.", "unsupported_parameter", "tools[0].type"), a_body(tools=tools)) is None
