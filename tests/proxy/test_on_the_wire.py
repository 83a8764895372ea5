"""Which request gets the key as it leaves: table of all that may have happened to it on the way."""

from collections.abc import Callable

import pytest
from mitmproxy import connection, http
from mitmproxy.test import tflow, tutils

from codex_transform.endpoint.url import Endpoint
from codex_transform.proxy import credentials
from codex_transform.proxy.call import Call
from codex_transform.redaction import redact_key

KEY = "Bearer sk-of-an-endpoint-0123456789"
SHOWN = "Bearer sk-…6789"
ENDPOINT = Endpoint("https", "endpoint.example", 443, "/v1/responses")


def call() -> Call:
    return Call("", endpoint=ENDPOINT, authorization=KEY)


def request() -> http.Request:
    made = tutils.treq(scheme=b"https", host="endpoint.example", port=443, path=b"/v1/responses", method=b"POST")
    made.host_header = "endpoint.example"
    made.headers["authorization"] = SHOWN
    return made


def server(host: str = "endpoint.example", port: int = 443, tls: bool = True) -> connection.Server:
    made = connection.Server(address=(host, port))
    made.tls = tls
    return made


def test_the_endpoint_gets_the_key_and_the_flow_does_not() -> None:
    kept = request()
    sent = credentials.with_credentials(kept, call(), server())
    assert sent.headers["authorization"] == KEY
    assert kept.headers["authorization"] == SHOWN
    sent.headers["authorization"] = SHOWN
    assert sent.get_state() == kept.get_state()


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
def test_a_changed_request_goes_without(
    change: Callable[[http.Request], None], caplog: pytest.LogCaptureFixture
) -> None:
    kept = request()
    change(kept)
    sent = credentials.with_credentials(kept, call(), server())
    assert "authorization" not in sent.headers
    assert "authorization" in kept.headers
    (record,) = caplog.records
    assert "without a key" in record.getMessage()
    assert KEY.split()[1] not in record.getMessage()


@pytest.mark.parametrize(
    "elsewhere", [server("10.0.0.1"), server(port=80), server(tls=False), connection.Server(address=None)]
)
def test_a_connection_to_somewhere_else_goes_without(elsewhere: connection.Server) -> None:
    assert "authorization" not in credentials.with_credentials(request(), call(), elsewhere).headers


def test_without_a_key_the_shown_one_is_not_sent() -> None:
    """A flow of another run, replayed for a host that is not ours any more; a call that is over."""
    assert "authorization" not in credentials.with_credentials(request(), None, server()).headers
    assert "authorization" not in credentials.with_credentials(request(), Call("", endpoint=ENDPOINT), server()).headers


@pytest.mark.parametrize("value", ["Bearer sk-somebody-elses-0123456", "Basic dTpw", ""])
def test_what_was_not_hidden_is_left_as_it_is(value: str) -> None:
    """Requests that are not ours, and what a person wrote into the header."""
    kept = request()
    kept.headers["authorization"] = value
    assert credentials.with_credentials(kept, call(), server()) is kept
    assert credentials.with_credentials(kept, None, server()) is kept


def test_a_call_below() -> None:
    compact = call()
    compact.subpath = "/compact"
    asked = request()
    asked.path = "/v1/responses/compact"
    assert credentials.with_credentials(asked, compact, server()).headers["authorization"] == KEY


def test_credentials_are_hidden_once() -> None:
    headers = http.Headers(
        [(b"Authorization", KEY.encode()), (b"X-Api-Key", b"secret"), (b"Cookie", b"a=b"), (b"Accept", b"*/*")]
    )
    assert credentials.hide_credentials(headers) == KEY
    assert dict(headers) == {"Authorization": SHOWN, "X-Api-Key": "…", "Cookie": "…", "Accept": "*/*"}
    assert credentials.hide_credentials(headers) is None
    assert credentials.hide_credentials(http.Headers()) is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (KEY, SHOWN),
        ("Bearer short", "Bearer …"),
        ("sk-without-a-scheme-0123", "sk-…0123"),
        ("Basic dXNlcjpwYXNzd29yZA==", "Basic dXN…ZA=="),
        ("", "…"),
    ],
)
def test_what_is_shown(value: str, shown: str) -> None:
    assert credentials.redacted_authorization(value) == shown


def test_keys_in_texts() -> None:
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
