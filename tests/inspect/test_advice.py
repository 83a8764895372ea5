"""Advice on failed calls: it never contradicts the error message."""

import pytest

from codex_transform.errors import ApiError
from codex_transform.inspect.advice import advice
from codex_transform.response import http_error, upstream_error
from codex_transform.response.network_error import idle_timeout_reason, unreachable

URL = "https://codex.example/backend-api/codex/responses"
PAGE = b"<html><title>Sign in</title></html>"
HTML = {"content-type": "text/html"}


@pytest.mark.parametrize(
    "error",
    [
        unreachable(URL, "[Errno 111] Connection refused"),
        unreachable(URL, "Name or service not known"),
        unreachable(URL, idle_timeout_reason("codex.example", 300)),
        http_error.error_for_client(403, HTML, PAGE, endpoint=URL),
        http_error.error_for_client(502, HTML, PAGE, endpoint=URL),
        http_error.error_for_client(302, {"location": "https://elsewhere.example/"}, b"", endpoint=URL),
    ],
    ids=lambda error: error.message[:40],
)
def test_for_an_address_that_may_be_wrong_doctor_is_advised(error: ApiError) -> None:
    text = advice(error.status, None, upstream_error.read_error(error.payload()))
    assert text.startswith("Run codex-transform doctor")


def test_for_a_refused_key_login_is_advised() -> None:
    error = http_error.error_for_client(401, {}, b'{"error": {"message": "Incorrect API key"}}', endpoint=URL)
    assert "codex-transform login" in advice(401, None, upstream_error.read_error(error.payload()))


def test_an_error_message_that_mentions_redirects_is_no_redirect() -> None:
    text = advice(400, None, upstream_error.UpstreamError("Unknown parameter: follow_redirects"))
    assert "the Request tab" in text
