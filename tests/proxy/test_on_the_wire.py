"""Which requests get the key when they are sent: whatever may have changed them on the way."""

from collections.abc import Callable

import pytest
from mitmproxy import connection, http
from mitmproxy.test import tflow, tutils

from codex_transform.endpoint.url import Endpoint
from codex_transform.proxy import credentials
from codex_transform.proxy.call import Call
from codex_transform.redaction import redact_key

KEY = "Bearer sk-of-an-endpoint-0123456789"
REDACTED = "Bearer sk-…6789"
ENDPOINT = Endpoint("https", "endpoint.example", 443, "/v1/responses")


def call() -> Call:
    return Call("", endpoint=ENDPOINT, authorization=KEY)


def request() -> http.Request:
    http_request = tutils.treq(
        scheme=b"https", host="endpoint.example", port=443, path=b"/v1/responses", method=b"POST"
    )
    http_request.host_header = "endpoint.example"
    http_request.headers["authorization"] = REDACTED
    return http_request


def server(host: str = "endpoint.example", port: int = 443, tls: bool = True) -> connection.Server:
    upstream = connection.Server(address=(host, port))
    upstream.tls = tls
    return upstream


def test_the_endpoint_gets_the_key_and_the_flow_does_not() -> None:
    original = request()
    sent = credentials.with_credentials(original, call(), server())
    assert sent.headers["authorization"] == KEY
    assert original.headers["authorization"] == REDACTED
    sent.headers["authorization"] = REDACTED
    assert sent.get_state() == original.get_state()


@pytest.mark.parametrize(
    "change",
    [
        lambda request: setattr(request, "scheme", "http"),
        lambda request: setattr(request, "host", "endpoint.example.org"),
        lambda request: setattr(request, "host", "endpoint.example."),
        lambda request: setattr(request, "port", 8443),
        lambda request: setattr(request, "path", "/v1/responses/compact"),
        lambda request: setattr(request, "path", "/v1/responses?to=elsewhere"),
        lambda request: setattr(request, "path", "//elsewhere.example/v1/responses"),
        lambda request: setattr(request, "host_header", "elsewhere.example"),
        lambda request: setattr(request, "host_header", None),
        lambda request: setattr(request, "url", "https://elsewhere.example/v1/responses"),
        lambda request: request.headers.update({"authorization": "Bearer sk-…0000"}),
    ],
)
def test_a_changed_request_is_sent_without_the_key(
    change: Callable[[http.Request], None], caplog: pytest.LogCaptureFixture
) -> None:
    original = request()
    change(original)
    sent = credentials.with_credentials(original, call(), server())
    assert "authorization" not in sent.headers
    assert "authorization" in original.headers
    (record,) = caplog.records
    assert "without a key" in record.getMessage()
    assert KEY.split()[1] not in record.getMessage()


@pytest.mark.parametrize(
    "elsewhere", [server("10.0.0.1"), server(port=80), server(tls=False), connection.Server(address=None)]
)
def test_the_key_is_not_sent_on_a_connection_to_another_server(elsewhere: connection.Server) -> None:
    assert "authorization" not in credentials.with_credentials(request(), call(), elsewhere).headers


def test_without_a_key_the_redacted_one_is_not_sent() -> None:
    """A flow of another run, replayed to a host that is no longer intercepted; a call that has ended."""
    assert "authorization" not in credentials.with_credentials(request(), None, server()).headers
    assert "authorization" not in credentials.with_credentials(request(), Call("", endpoint=ENDPOINT), server()).headers


@pytest.mark.parametrize("value", ["Bearer sk-somebody-elses-0123456", "Basic dTpw", ""])
def test_a_header_that_is_not_redacted_is_unchanged(value: str) -> None:
    """That of a request that is not intercepted, and one that a person edited."""
    original = request()
    original.headers["authorization"] = value
    assert credentials.with_credentials(original, call(), server()) is original
    assert credentials.with_credentials(original, None, server()) is original


def test_a_call_to_a_subpath_gets_the_key() -> None:
    compact = call()
    compact.subpath = "/compact"
    sent = request()
    sent.path = "/v1/responses/compact"
    assert credentials.with_credentials(sent, compact, server()).headers["authorization"] == KEY


def test_credentials_are_redacted_once() -> None:
    headers = http.Headers(
        [(b"Authorization", KEY.encode()), (b"X-Api-Key", b"secret"), (b"Cookie", b"a=b"), (b"Accept", b"*/*")]
    )
    assert credentials.hide_credentials(headers) == KEY
    assert dict(headers) == {"Authorization": REDACTED, "X-Api-Key": "…", "Cookie": "…", "Accept": "*/*"}
    assert credentials.hide_credentials(headers) is None
    assert credentials.hide_credentials(http.Headers()) is None


@pytest.mark.parametrize(
    ("value", "redacted"),
    [
        (KEY, REDACTED),
        ("Bearer short", "Bearer …"),
        ("sk-without-a-scheme-0123", "sk-…0123"),
        ("Basic dXNlcjpwYXNzd29yZA==", "Basic dXN…ZA=="),
        ("", "…"),
    ],
)
def test_redacted_forms_of_authorization(value: str, redacted: str) -> None:
    assert credentials.redacted_authorization(value) == redacted


def test_keys_in_text_are_redacted() -> None:
    key = KEY.split()[1]
    assert redact_key(f"a {key}, {key}".encode(), key).decode() == "a sk-…6789, sk-…6789"
    assert redact_key(b"an answer", "an") == b"an answer"
    assert redact_key(b"an answer", "") == b"an answer"
    odd = b"abc\xfffghijklmnopqrst"
    assert redact_key(b"a " + odd, odd.decode("utf-8", "surrogateescape")) == "a abc…qrst".encode()


def test_a_call_shows_no_key() -> None:
    flow = tflow.tflow()
    assert call().key == KEY.split()[1]
    assert call().key not in f"{call()!r} {call()} {flow!r}"
