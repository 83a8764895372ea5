from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.http import Headers

from codex_transform.endpoint.headers import client_session, codex_headers, forwarded_request_headers


def test_a_codex_request_has_its_own_headers_and_harmless_ones_of_the_client() -> None:
    headers = Headers(
        [
            (b"authorization", b"Bearer sk-the-users-own-openai-key"),
            (b"OpenAI-Organization", b"org"),
            (b"OpenAI-Project", b"proj"),
            (b"Cookie", b"a=b"),
            (b"Proxy-Authorization", b"Basic eDp5"),
            (b"X-Forwarded-For", b"10.0.0.1"),
            (b"Connection", b"keep-alive, X-Secret"),
            (b"X-Secret", b"1"),
            (b"accept", b"*/*"),
            (b"accept-encoding", b"gzip, br"),
            (b"content-encoding", b"gzip"),
            (b"user-agent", b"opencode/1"),
            (b"x-custom", b"kept"),
            (b"Session-Id", b"another"),
        ]
    )
    replacing = codex_headers(authorization="Bearer key", originator="opencode", session="ses_1")
    fields = [*forwarded_request_headers(headers.fields, replacing), *replacing]
    assert {name.lower(): value for name, value in Headers(fields).items()} == {
        "authorization": "Bearer key",
        "content-type": "application/json",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "originator": "opencode",
        "session_id": "ses_1",
        "session-id": "ses_1",
        "user-agent": "opencode/1",
        "x-custom": "kept",
    }


@given(st.text(st.characters(), min_size=1))
def test_any_session_id_becomes_a_valid_header(session: str) -> None:
    headers = dict(codex_headers(authorization="Bearer key", originator="o", session=session))
    assert all(" " <= char <= "~" for char in headers.get(b"session_id", b"").decode())
    assert headers.get(b"session-id") == headers.get(b"session_id")


def test_the_clients_session_id_is_found_under_each_name() -> None:
    for name in (b"session_id", b"Session-Id", b"x-session-id"):
        assert client_session([(b"x", b"y"), (name, b"ses")]) == "ses"
    assert client_session([(b"session_id", b""), (b"session-id", b"ses")]) == "ses"
    assert client_session([(b"x-other", b"ses")]) is None


def test_headers_that_are_not_replaced_are_the_clients_own() -> None:
    """The Codex CLI's originator, session and beta headers are forwarded unchanged."""
    own = [(b"originator", b"codex_exec"), (b"session-id", b"s"), (b"openai-beta", b"x=1"), (b"Accept", b"*/*")]
    replacing = codex_headers(authorization="Bearer key", originator=None, session=None)
    assert not {b"originator", b"session-id", b"session_id", b"OpenAI-Beta"} & {name for name, _ in replacing}
    assert forwarded_request_headers(own, replacing) == own[:3]


TRACING = [
    b"traceparent",
    b"tracestate",
    b"B3",
    b"X-B3-TraceId",
    b"baggage",
    b"sentry-trace",
    b"X-Datadog-Trace-Id",
    b"X-Amzn-Trace-Id",
    b"uber-trace-id",
]
DROPPED = [
    b"Accept-Language",
    b"Sec-Fetch-Mode",
    b"Priority",
    b"Referer",
    b"Origin",
    b"X-Requested-With",
    b"X-Stainless-OS",
    b"Made-Up",
]
FORWARDED = [
    b"User-Agent",
    b"originator",
    b"Version",
    b"OpenAI-Beta",
    b"session_id",
    b"Session-Id",
    b"X-Session-Id",
    b"x-session-affinity",
    b"x-parent-session-id",
    b"X-Client-Request-Id",
    b"thread-id",
    b"ChatGPT-Account-Id",
    b"Idempotency-Key",
    b"x-codex-turn-state",
    b"x-openai-subagent",
    # Relays want these.
    b"X-Portkey-Config",
    b"Helicone-Auth",
    b"cf-aig-authorization",
    b"CF-Access-Client-Id",
    b"HTTP-Referer",
    b"X-Title",
    b"Ocp-Apim-Subscription-Key",
    b"X-My-Relay",
]


def names(fields: list[bytes], **more: Any) -> list[bytes]:
    return [name for name, _ in forwarded_request_headers([(name, b"1") for name in fields], **more)]


def test_only_headers_that_may_matter_to_an_endpoint_are_forwarded() -> None:
    assert names([*TRACING, *FORWARDED, *DROPPED]) == FORWARDED


def test_headers_configured_in_opencode_are_forwarded_except_credentials() -> None:
    configured = ("made-up", "traceparent", "authorization", "connection")
    expected = [b"Made-Up", b"Traceparent"]
    assert names([*expected, b"Authorization", b"Connection", b"baggage"], configured=configured) == expected


def test_the_codex_clis_headers_are_forwarded_except_traces_and_credentials() -> None:
    fields = [*TRACING, *FORWARDED, *DROPPED, b"Authorization", b"Cookie", b"X-Forwarded-For"]
    assert names(fields, is_codex=True) == [*FORWARDED, *DROPPED]


@pytest.mark.parametrize("is_codex", [True, False])
def test_a_header_that_connection_names_is_not_forwarded(is_codex: bool) -> None:
    assert names([b"X-Mine"], is_codex=is_codex) == [b"X-Mine"]
    fields = [(b"Connection", b"X-Mine"), (b"X-Mine", b"1")]
    assert forwarded_request_headers(fields, is_codex=is_codex, configured=("x-mine",)) == []
