"""The table of rules, against the OpenAI SDK's own models of the events."""

from typing import get_args

import pytest
from openai.types.responses import ResponseStreamEvent

from codex_transform.response.event_rules import RULES, Action, rule_for

# What an event of each type must have; members that only the event's own text or payload could fill cannot be made up.
MADE_UP = {"sequence_number", "item_id", "output_index", "content_index", "summary_index"}
REQUIRED = {
    get_args(model.model_fields["type"].annotation)[0]: {
        name for name, field in model.model_fields.items() if field.is_required() and name in MADE_UP
    }
    for model in get_args(get_args(ResponseStreamEvent)[0])
}


@pytest.mark.parametrize("kind", sorted(RULES))
def test_a_rule_needs_what_the_api_reference_requires(kind: str) -> None:
    if kind == "response.done":
        assert RULES[kind] == RULES["response.completed"]
    else:
        assert set(RULES[kind].needs) == REQUIRED[kind]


def test_every_event_of_the_api_has_a_rule_that_needs_no_more_than_it_requires() -> None:
    for kind, required in REQUIRED.items():
        assert set(rule_for(kind).needs) <= required


@pytest.mark.parametrize(
    ("kind", "action", "needs"),
    [
        ("codex.rate_limits", Action.DROP, ()),
        ("codex.anything", Action.DROP, ()),
        ("response.something.new", Action.PASS, ("sequence_number",)),
        ("responses.created", Action.PASS, ()),
        ("ping", Action.PASS, ()),
        ("", Action.PASS, ()),
    ],
)
def test_types_without_a_rule_of_their_own(kind: str, action: Action, needs: tuple[str, ...]) -> None:
    assert rule_for(kind) == (action, needs)
