"""Endpoints that accept the Codex CLI's instructions alone."""

from attempts.refusals import a_body, healed, refused

from codex_transform.attempts.next_attempt import final_error
from codex_transform.attempts.rule import Instructions
from codex_transform.request.input_items import message

NEWEST, PREVIOUS = Instructions("new words", "main"), Instructions("old words", "previous")


def test_refused_instructions_are_replaced_by_the_newest_then_by_the_previous() -> None:
    failure = refused(400, {"detail": "Instructions are not valid"})
    body = a_body()
    for expected in (NEWEST, PREVIOUS):
        changed = healed(failure, body, codex_instructions=lambda: [NEWEST, PREVIOUS])
        assert changed is not None
        assert changed["instructions"] == expected.text
        assert changed["input"] == body["input"]
        body = changed
    assert healed(failure, body, codex_instructions=lambda: [NEWEST, PREVIOUS]) is None
    error = final_error(failure, 1000, "previous")
    assert error is not None
    assert "those of previous" in error.message


def test_instructions_of_the_users_own_go_on_as_a_message() -> None:
    failure = refused(400, {"detail": "Instructions are not valid"})
    changed = healed(failure, a_body(), codex_instructions=lambda: [NEWEST], own_instructions=True)
    assert changed is not None
    assert changed["instructions"] == NEWEST.text
    assert changed["input"][0] == message("developer", "be good")
