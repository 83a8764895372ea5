"""The errors table: what an endpoint answers, and which error the client gets."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.errors import ApiError
from codex_transform.jsonio import dumps
from codex_transform.response.http_error import error_for_client

ENDPOINT = "https://codex.example/backend-api/codex/responses"
NOW = 1_790_000_000
JSON = {"Content-Type": "application/json"}
PAGE = b"<!DOCTYPE html>\n<html><head><title>502 &amp; Bad Gateway</title></head><body>nginx</body></html>"


def client_error(status: int, body: Any, headers: dict[str, str] | None = None) -> ApiError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_for_client(status, JSON if headers is None else headers, content, endpoint=ENDPOINT, now=NOW)


def members(error: ApiError) -> tuple[int, str, str | None]:
    return error.status, error.type, error.code


# --- limits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [402, 403, 404, 429])
@pytest.mark.parametrize("name", ["usage_limit_reached", "usage_not_included", "rate_limit_exceeded"])
@pytest.mark.parametrize("member", ["type", "code"])
def test_a_limit_is_a_429_whatever_the_status(status: int, name: str, member: str) -> None:
    error = client_error(status, {"error": {member: name, "message": "The limit.", "resets_in_seconds": 90}})
    assert (error.status, error.code, error.retry_after, error.message) == (429, name, 90, "The limit.")


@pytest.mark.parametrize("body", [{"detail": "You've hit your usage limit."}, b"Usage limit reached, try later"])
def test_a_limit_may_be_stated_in_words(body: Any) -> None:
    error = client_error(404, body, {"x-codex-primary-used-percent": "100", "X-Codex-Primary-Reset-At": str(NOW + 50)})
    assert members(error) == (429, "rate_limit_error", None)
    assert error.retry_after == 50


def test_a_429_keeps_what_it_says() -> None:
    error = client_error(
        429, {"error": {"message": "Slow down.", "type": "requests", "code": None}}, {"retry-after": "3"}
    )
    assert (*members(error), error.retry_after) == (429, "requests", None, 3)


def test_limit_headers_come_with_every_response_and_mean_nothing_with_a_400() -> None:
    headers = {"x-codex-primary-used-percent": "12", "x-codex-primary-reset-after-seconds": "300", "retry-after": "5"}
    assert client_error(400, {"detail": "No."}, headers).retry_after is None
    assert client_error(503, {"detail": "No."}, headers).retry_after == 5
    assert client_error(500, b"", headers | {"retry-after": "?"}).retry_after is None


# --- the endpoint's own words ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 500, 503])
def test_openais_shape_is_kept(status: int) -> None:
    error = client_error(status, {"error": {"message": "m", "type": "t", "code": "c", "param": "p"}})
    assert error.payload() == {"error": {"message": "m", "type": "t", "code": "c", "param": "p"}}
    assert error.status == status


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"detail": "Store must be set to false"}, "Store must be set to false"),
        ({"detail": [{"loc": ["body", "model"], "msg": "field required"}]}, "body.model: field required"),
        ({"error": "Nope"}, "Nope"),
        ({"message": "Nope"}, "Nope"),
        (b'event: error\ndata: {"error":{"message":"Nope"}}\n\ndata: [DONE]\n\n', "Nope"),
        (b'data: {"detail":"Nope"}', "Nope"),
        ({"other": "shape"}, '{"other": "shape"}'),
        (b"plain words", "plain words"),
        (b"\xef\xbb\xbf plain words \n", "plain words"),
        (b"\xff\xfe bad bytes", "\ufffd\ufffd bad bytes"),
        (b"{broken", "{broken"),
        (b"x" * 3000, "x" * 2000 + "…"),
        ({"detail": "x" * 3000}, "x" * 2000 + "…"),
    ],
)
def test_other_shapes_become_the_message(body: Any, message: str) -> None:
    error = client_error(400, body)
    assert members(error) == (400, "invalid_request_error", None)
    assert error.message == message


@pytest.mark.parametrize(("status", "name"), [(400, "400 (Bad Request)"), (503, "503"), (599, "599")])
def test_an_empty_body_becomes_a_sentence(status: int, name: str) -> None:
    for body in (b"", b" \r\n"):
        error = client_error(status, body)
        assert error.status == status
        assert ENDPOINT in error.message
        assert f"HTTP {name}" in error.message


def test_an_encoded_body_is_decoded_and_a_decoded_one_left_alone() -> None:
    body = json.dumps({"detail": "No."}).encode()
    for content in (body, gzip.compress(body)):
        assert client_error(400, content, {"content-encoding": "gzip"}).message == "No."
    assert client_error(400, body, {"Content-Encoding": "nonsense"}).message == "No."


# --- pages, redirects, addresses ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502, 503])
@pytest.mark.parametrize("body", [PAGE, b"<html>", b"\n<?xml version='1.0'?><e/>"])
def test_a_page_becomes_one_line(status: int, body: bytes) -> None:
    error = client_error(status, body, {"content-type": "text/html"})
    assert error.status == status
    assert ENDPOINT in error.message
    assert f"HTTP {status}" in error.message
    assert "<" not in error.message
    assert "\n" not in error.message
    assert ("502 & Bad Gateway" in error.message) == (body == PAGE)
    assert ("codex_api_key" in error.message) == (status in (401, 403))


def test_a_page_of_unfinished_titles_is_read_at_once() -> None:
    """An endpoint could stop the proxy with it: to look for the end of each takes minutes for this one."""
    error = client_error(404, b"<title" * 200_000, {"content-type": "text/html"})
    assert "a web page (HTTP 404)" in error.message


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://login.example/signin?next=1", "login.example"),
        ("https://user:secret@login.example:8443/", "login.example:8443"),
        ("/elsewhere", None),
        ("http://[broken", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_names_the_setting_and_the_target(status: int, location: str | None, host: str | None) -> None:
    error = client_error(status, b"", {"location": location} if location else {})
    assert error.status == 502
    assert "codex_base_url" in error.message
    assert (f" to {host} " in error.message) if host else (f"redirects (HTTP {status})" in error.message)
    assert "secret" not in error.message


def test_a_missing_model_is_not_blamed_on_the_address() -> None:
    assert client_error(404, {"detail": "model x not found"}).message == "model x not found"


@pytest.mark.parametrize("status", [100, 103])
def test_an_informational_status_is_no_response(status: int) -> None:
    assert client_error(status, b"").status == 502


@pytest.mark.parametrize("body", [b"", b"404 page not found", {"detail": "Not Found"}, {"error": "Not found."}])
@pytest.mark.parametrize("status", [404, 405])
def test_a_wrong_address_names_the_setting(status: int, body: Any) -> None:
    error = client_error(status, body)
    assert error.status == status
    assert ENDPOINT in error.message
    assert "codex_base_url" in error.message


def test_a_404_from_the_api_itself_is_kept() -> None:
    error = client_error(404, {"error": {"message": "No such model.", "code": "model_not_found"}})
    assert (error.message, *members(error)) == ("No such model.", 404, "not_found_error", "model_not_found")


# --- keys --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", ""),
        ({"detail": "Unauthorized"}, ": Unauthorized"),
        (
            {"error": {"message": "Incorrect API key provided: sk-proj-abcdEFGH1234wxyz."}},
            ": Incorrect API key provided: sk-…wxyz",
        ),
        ({"error": {"message": "Bad key sk-ab***wxyz; see the docs."}}, ": Bad key sk-…wxyz; see the docs"),
        ({"error": {"message": "Token cr_0123456789abcdefghij is unknown"}}, ": Token …ghij is unknown"),
        (b"Bearer abc.def-123 rejected", ": Bearer …-123 rejected"),
    ],
)
def test_a_refused_key_names_the_setting_and_never_the_key(status: int, body: Any, said: str) -> None:
    error = client_error(status, body)
    assert error.status == status
    assert "codex_api_key" in error.message
    assert ENDPOINT in error.message
    assert f"(HTTP {status}{said})" in error.message


def test_a_refusal_keeps_the_rest_of_openais_shape() -> None:
    error = client_error(403, {"error": {"message": "m", "type": "t", "code": "unsupported_country", "param": "p"}})
    assert (*members(error), error.param) == (403, "t", "unsupported_country", "p")
    assert members(client_error(401, b"")) == (401, "authentication_error", "invalid_api_key")
    assert members(client_error(403, b"")) == (403, "permission_error", None)


def test_a_long_refusal_is_truncated() -> None:
    assert len(client_error(401, b"no " * 2000).message) < 600


@given(st.sampled_from([400, 401, 403, 404, 418, 429, 500]), st.text("abcdefgh0123456789", min_size=8, max_size=40))
def test_keys_are_redacted_in_every_message(status: int, secret: str) -> None:
    key = f"sk-proj-{secret}"
    for body in ({"error": {"message": f"Invalid key {key} given"}}, {"detail": f"key={key}"}, f"{key}".encode()):
        error = client_error(status, body)
        assert secret not in error.message
        assert f"sk-…{secret[-4:]}" in error.message


@pytest.mark.parametrize("status", [600, 799, 999])
def test_a_status_that_clients_do_not_know_becomes_a_502(status: int) -> None:
    """Some raise their own exception for it, and the message is lost."""
    error = client_error(status, b"no robots")
    assert (error.status, error.type, error.message) == (502, "server_error", "no robots")


# --- anything at all ---------------------------------------------------------------------------------------------


@given(
    st.integers(300, 599),
    st.dictionaries(
        st.sampled_from(["content-type", "content-encoding", "location", "retry-after"]), st.text(max_size=9)
    ),
    st.binary(max_size=60)
    | st.sampled_from([PAGE, b'{"error":{}}', b'{"detail":[{"loc":5,"msg":1}]}', b'{"error":[0]}']),
)
def test_any_response_becomes_an_error(status: int, headers: dict[str, str], body: bytes) -> None:
    error = client_error(status, body, headers)
    assert error.message
    assert error.status == (502 if status < 400 else status) or error.status == 429
    assert json.loads(dumps(error.payload()))["error"]["message"] == error.message
