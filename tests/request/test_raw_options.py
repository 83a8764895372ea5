from collections.abc import Callable
from typing import Any

import pytest

from codex_transform.clients.client import OPENCODE_2, OTHER
from codex_transform.request import Context


def test_options_move_to_their_place_in_the_api(run: Callable[..., Any], context: Callable[..., Context]) -> None:
    raw = {"reasoningEffort": "high", "reasoningSummary": "detailed", "textVerbosity": "low", "headers": {"X-Key": "a"}}
    body = run(context(client=OPENCODE_2), model="gpt-5.2", **raw).body
    assert body["reasoning"] == {"effort": "high", "summary": "detailed"}
    assert body["text"] == {"verbosity": "low"}
    assert not raw.keys() & body.keys()


def test_the_requests_own_fields_take_precedence(run: Callable[..., Any], context: Callable[..., Context]) -> None:
    body = run(context(client=OPENCODE_2), model="gpt-5.2", reasoning={"effort": "low"}, reasoningEffort="high").body
    assert body["reasoning"]["effort"] == "low"
    assert "reasoningEffort" not in body


@pytest.mark.parametrize("value", [None, 5, [], "", {}])
def test_an_option_of_another_type_is_dropped(
    value: object, run: Callable[..., Any], context: Callable[..., Context]
) -> None:
    body = run(context(client=OPENCODE_2), model="gpt-5.2", reasoningEffort=value).body
    assert "reasoningEffort" not in body
    assert body["reasoning"]["effort"] == "medium"


def test_another_clients_fields_are_left_alone(run: Callable[..., Any], context: Callable[..., Context]) -> None:
    body = run(context(client=OTHER), model="gpt-5.2", reasoningEffort="high", headers={}).body
    assert body["reasoningEffort"] == "high"
    assert body["headers"] == {}
