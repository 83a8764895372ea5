"""Endpoints that accept only the Codex CLI's instructions."""

from attempts.refusals import a_body, healed, refused

from codex_transform.attempts.next_attempt import final_error
from codex_transform.attempts.rule import Instructions
from codex_transform.clients.client import CODEX_CLI
from codex_transform.request.input_items import message
from codex_transform.request.instructions import DEFAULT

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


def test_the_users_own_instructions_become_a_message() -> None:
    failure = refused(400, {"detail": "Instructions are not valid"})
    changed = healed(failure, a_body(), codex_instructions=lambda: [NEWEST], source="file")
    assert changed is not None
    assert changed["instructions"] == NEWEST.text
    assert changed["input"][0] == message("developer", "be good")


def test_a_clients_instructions_become_a_message_after_a_bridge() -> None:
    failure = refused(400, {"detail": "Instructions are not valid"})
    tools = [{"type": "function", "name": "look_up"}]
    changed = healed(
        failure, {**a_body(), "tools": tools}, codex_instructions=lambda: [NEWEST, PREVIOUS], source="client"
    )
    assert changed is not None
    assert changed["instructions"] == NEWEST.text
    bridge, own = changed["input"][:2]
    assert "`look_up`" in bridge["content"][0]["text"]
    assert "OpenCode" not in bridge["content"][0]["text"]
    assert own == message("developer", "be good")
    assert changed["input"][2:] == a_body()["input"]


def test_the_codex_cli_gets_no_bridge() -> None:
    failure = refused(400, {"detail": "Instructions are not valid"})
    body = {**a_body(), "tools": [{"type": "function", "name": "exec_command"}]}
    changed = healed(failure, body, codex_instructions=lambda: [NEWEST], source="client", client=CODEX_CLI)
    assert changed is not None
    assert changed["input"] == [message("developer", "be good"), *a_body()["input"]]


def test_an_endpoint_that_requires_instructions_gets_some() -> None:
    body = {name: value for name, value in a_body().items() if name != "instructions"}
    for said in ({"detail": "Instructions are required"}, {"error": {"message": "no", "param": "instructions"}}):
        changed = healed(refused(400, said), body, source="client")
        assert changed == {**body, "instructions": DEFAULT}


def test_without_codex_instructions_there_is_nothing_to_try() -> None:
    assert healed(refused(400, {"detail": "Instructions are not valid"}), a_body(), source="client") is None
