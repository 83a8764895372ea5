"""The decision about a failed attempt: whether there is another, and that none loses what the user wrote."""

import json
from typing import Any

import pytest
from attempts.refusals import PNG, SVG, a_body, call, image, openai, reasoning, refused
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.attempts.failure import Failure, from_error
from codex_transform.attempts.next_attempt import MAX_ATTEMPTS, Attempt, Policy, decide
from codex_transform.attempts.rule import Sent
from codex_transform.clients.client import CODEX_CLI
from codex_transform.errors import ApiError
from codex_transform.request.changes import Changes

LOST = Failure("server closed connection", lost=True, reused=True, elapsed=0.5)


def next_rule(failure: Failure, made: list[Attempt] | None = None, policy: Policy | None = None) -> str | None:
    attempt = decide(failure, Sent(a_body()), made or [], policy or Policy(), chance=0.5)
    return attempt.rule if attempt else None


def test_a_connection_closed_while_the_request_was_sent() -> None:
    assert next_rule(LOST) == "reconnect"
    assert next_rule(Failure("server closed connection", lost=True, reused=True, elapsed=2.5)) is None
    assert next_rule(LOST, policy=Policy(retries=0)) == "reconnect"
    assert next_rule(Failure("server closed connection", lost=True, elapsed=0.5), policy=Policy(retries=0)) is None
    first = decide(LOST, Sent(a_body()), [], Policy())
    assert first
    assert next_rule(Failure("server closed connection", lost=True, elapsed=0.5), [first]) is None
    assert next_rule(Failure("no", status=503), [first]) == "retry"


def test_a_request_that_the_endpoint_says_it_does_not_process_is_sent_again_however_late() -> None:
    refused_by_goaway = Failure("GOAWAY", lost=True, unprocessed=True, elapsed=100)
    assert next_rule(refused_by_goaway, policy=Policy(retries=0)) == "reconnect"
    assert next_rule(refused_by_goaway, policy=Policy(heal=False)) is None
    first = decide(refused_by_goaway, Sent(a_body()), [], Policy())
    assert first
    assert next_rule(refused_by_goaway, [first] * (MAX_ATTEMPTS - 3)) == "reconnect"
    # An attempt is left for another endpoint.
    assert next_rule(refused_by_goaway, [first] * (MAX_ATTEMPTS - 2)) is None


@pytest.mark.parametrize("items", ["hello", ["hello", 5, None]])
def test_a_codex_request_in_another_form_is_retried_unchanged(items: Any) -> None:
    sent = Sent({"input": items, "include": []}, client=CODEX_CLI)
    again = decide(Failure("no", status=503), sent, [], Policy())
    assert again
    assert (again.rule, again.edit) == ("retry", None)
    assert decide(openai("Unknown parameter: 'include'.", "unknown_parameter", "include"), sent, [], Policy()) is None


def test_a_malformed_or_failed_response_is_not_retried() -> None:
    for error in (ApiError(502, "a web page", code="not_an_answer"), ApiError(500, "no", code="server_error")):
        assert next_rule(from_error(error, 0.1)) is None
    assert next_rule(from_error(ApiError(503, "later", code="server_is_overloaded"), 0.1)) == "retry"


@pytest.mark.parametrize("status", [502, 503, 504, 520, 524, 529])
def test_an_overloaded_server_is_retried_as_often_as_configured(status: int) -> None:
    failure = Failure("no", status=status, elapsed=0.5)
    first = decide(failure, Sent(a_body()), [], Policy(), chance=0.5)
    assert first
    assert 0.2 <= first.pause <= 0.6
    assert next_rule(failure, [first]) is None
    assert next_rule(failure, [first], Policy(retries=2)) == "retry"
    assert next_rule(failure, policy=Policy(retries=0)) is None
    assert next_rule(Failure("no", status=status, elapsed=2.5)) is None
    assert next_rule(Failure("no", status=status, elapsed=0.5, retry_after=7)) is None


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_other_refusals_go_to_the_client(status: int) -> None:
    assert next_rule(Failure("no", status=status)) is None


def test_without_heal_there_is_one_attempt() -> None:
    policy = Policy(heal=False)
    assert next_rule(refused(400, {"detail": "Unsupported parameter: include"}), policy=policy) is None
    assert next_rule(LOST, policy=policy) is None
    assert next_rule(Failure("no", status=503), policy=policy) is None


def test_a_call_has_four_attempts() -> None:
    made: list[Attempt] = []
    failure = Failure("no", status=503)
    while attempt := decide(failure, Sent(a_body()), made, Policy(retries=9)):
        made.append(attempt)
    assert len(made) + 1 == MAX_ATTEMPTS


def test_the_same_edit_is_not_made_twice() -> None:
    failure = refused(400, {"detail": "Unsupported parameter: include"})
    body = a_body(include=["x"])
    first = decide(failure, Sent(body), [], Policy())
    assert first
    assert decide(failure, Sent(body), [first], Policy()) is None


words = st.text(max_size=40)


paths = st.one_of(words, st.from_regex(r"input(\[[0-9]\]|\.[a-z]{1,6}){1,4}", fullmatch=True))


parts = st.sampled_from([image(PNG), image(SVG), {"type": "input_text", "text": "a"}, {"type": "mystery", "x": [1]}])


items = st.one_of(
    st.lists(parts, max_size=3).map(lambda each: [{"type": "message", "role": "user", "content": each}]),
    st.sampled_from([call("c1"), call("c2")[:1], [reasoning("e")], [{"type": "odd", "a": {"type": "b"}}]]),
)


@given(
    history=st.lists(items, max_size=6),
    text=st.one_of(words, st.sampled_from(["no valid image", "Unsupported parameter: include", "body too large"])),
    param=paths,
    status=st.sampled_from([400, 403, 404, 413, 422, 500, 503]),
)
def test_no_refusal_loses_the_users_text(history: list[Any], text: str, param: str, status: int) -> None:
    body = a_body(*(item for group in history for item in group), include=["x"])
    before = json.loads(json.dumps(body))
    made: list[Attempt] = []
    failure = openai(text, None, param, status)
    while attempt := decide(failure, Sent(body), made, Policy()):
        made.append(attempt)
        if attempt.edit:
            attempt.edit.apply(body, Changes())
    assert len(made) < MAX_ATTEMPTS
    kept = json.dumps(body["input"])
    for item in before["input"]:
        for part in item.get("content", ()):
            assert part["type"] != "input_text" or json.dumps(part["text"])[1:-1] in kept
        if item["type"].endswith("_output"):
            assert item["output"] in kept
