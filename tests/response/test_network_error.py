"""Endpoints that could not be reached: the cause in plain words, and the fix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.response.network_error import (
    connect_timeout_reason,
    connection_lost,
    idle_timeout_reason,
    unreachable,
)


@pytest.mark.parametrize(
    ("reason", "status", "cause", "fix"),
    [
        ("[Errno 111] Connect call failed ('127.0.0.1', 1)", 502, "nothing listens", "codex_base_url"),
        ("[Errno 61] Connection refused", 502, "nothing listens", "codex_base_url"),
        ("[WinError 1225] The remote computer refused the network connection", 502, "nothing listens", "runs"),
        (
            "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1, 0, 0), [Errno 111] …",
            502,
            "nothing listens",
            "runs",
        ),
        ("timed out", 504, "in time", "later"),
        ("[Errno 110] Connect call failed ('10.0.0.1', 443)", 504, "in time", "network"),
        ("connection timeout", 504, "in time", "network"),
        ("[Errno -3] Temporary failure in name resolution", 502, "no address", "DNS"),
        ("[Errno -2] Name or service not known", 502, "no address", "DNS"),
        ("[Errno 8] nodename nor servname provided, or not known", 502, "no address", "DNS"),
        ("[Errno 11001] getaddrinfo failed", 502, "no address", "DNS"),
        ("[Errno 113] Connect call failed ('10.0.0.1', 443)", 502, "no route", "network"),
        ("[Errno 101] Network is unreachable", 502, "no route", "network"),
        ("Certificate verify failed: self-signed certificate", 502, "certificate", "ssl_verify_upstream_trusted_ca"),
        ("Certificate verify failed: certificate has expired", 502, "out of date", "clock"),
        ("Certificate verify failed: hostname mismatch", 502, "another name", "codex_base_url"),
        ("Cannot parse HTTP response: Bad HTTP response line", 502, "no proper HTTP", "right port"),
        ("The remote server does not speak TLS.", 502, "TLS", "https"),
        ("TLS handshake failed: wrong version number", 502, "TLS", "https"),
        ("[Errno 104] Connection reset by peer", 502, "closed the connection", "again"),
        ("server closed connection", 502, "closed the connection", "again"),
        ("something new", 502, "the connection failed", "codex_base_url"),
        ("", 502, "the connection failed", "codex_base_url"),
    ],
)
def test_reasons(reason: str, status: int, cause: str, fix: str) -> None:
    error = unreachable("https://codex.example:8443/v1/responses", reason)
    assert error.status == status
    assert error.code == ("endpoint_timeout" if status == 504 else "endpoint_unreachable")
    assert error.message.startswith("Cannot reach codex.example:8443: ")
    assert cause in error.message
    assert fix in error.message
    assert reason.rstrip(".") in error.message


@given(st.text(max_size=30), st.text(max_size=600))
def test_anything_becomes_one_line(endpoint: str, reason: str) -> None:
    error = unreachable(f"https://h/{endpoint}", reason)
    assert len(error.message.splitlines()) == 1
    assert len(error.message) < 700


@pytest.mark.parametrize(
    ("reason", "duration", "setting"),
    [
        (connect_timeout_reason("h", 30), "more than 30 seconds", "codex_connect_timeout"),
        (idle_timeout_reason("h", 300), "for 300 seconds", "codex_idle_timeout"),
    ],
)
def test_a_timeout_of_the_proxy_names_its_duration_and_setting(reason: str, duration: str, setting: str) -> None:
    """It is distinguished from a fault, before the response and within it."""
    before, within = unreachable("https://h:8443/v1", reason), connection_lost(reason)
    assert before.status == within.status == 504
    assert before.message.startswith("No answer from h:8443: ")
    assert before.code == "endpoint_timeout"
    for error in (before, within):
        assert setting in error.message
        assert duration in error.message


def test_a_lost_connection() -> None:
    error = connection_lost("server closed connection")
    assert (error.status, error.code) == (502, "stream_cut")
    assert "server closed connection" in error.message


@pytest.mark.parametrize("code", ["REFUSED_STREAM", "INTERNAL_ERROR", "SETTINGS_TIMEOUT", "CONNECT_ERROR"])
def test_a_stream_that_the_endpoint_resets(code: str) -> None:
    """HTTP/2: the endpoint is up and listening. mitmproxy says "by client" whoever resets a stream."""
    before = unreachable("https://h", f"stream reset by client ({code})")
    within = connection_lost(f"stream reset by client ({code})")
    assert before.status == within.status == 502
    assert before.message.startswith(f"Cannot reach h: it gave the request up (stream reset ({code})).")
    assert within.message == f"The answer broke off: stream reset ({code})."
