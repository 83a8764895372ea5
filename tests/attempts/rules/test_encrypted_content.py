"""Encrypted reasoning from another account."""

import pytest
from attempts.refusals import a_body, call, healed, openai, reasoning, refused

from codex_transform.attempts.failure import Failure
from codex_transform.request.input_items import message


@pytest.mark.parametrize(
    "failure",
    [
        openai("The encrypted content gAAA...DQ== could not be verified.", "invalid_encrypted_content"),
        openai("The encrypted content x could not be verified. Reason: it could not be decrypted or parsed."),
        refused(400, {"detail": "invalid_encrypted_content"}),
    ],
)
def test_encrypted_reasoning_is_left_out(failure: Failure) -> None:
    body = a_body(reasoning("one"), *call("c1"), reasoning("two"))
    changed = healed(failure, body)
    assert changed is not None
    assert changed["input"] == [message("user", "hello"), *call("c1")]


def test_without_encrypted_reasoning_there_is_no_other_attempt() -> None:
    assert healed(openai("could not be verified", "invalid_encrypted_content"), a_body()) is None
