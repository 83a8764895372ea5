from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.http import Headers

from codex_transform.endpoint.headers import client_session, codex_headers, forwarded_request_headers


def test_headers_become_those_of_a_codex_request() -> None:
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
    made = codex_headers(authorization="Bearer key", originator="opencode", session="ses_1")
    fields = [*forwarded_request_headers(headers.fields, made), *made]
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
def test_any_session_id_becomes_a_legal_header(session: str) -> None:
    headers = dict(codex_headers(authorization="Bearer key", originator="o", session=session))
    assert all(" " <= char <= "~" for char in headers.get(b"session_id", b"").decode())
    assert headers.get(b"session-id") == headers.get(b"session_id")


def test_the_client_session_is_found_under_each_name() -> None:
    for name in (b"session_id", b"Session-Id", b"x-session-id"):
        assert client_session([(b"x", b"y"), (name, b"ses")]) == "ses"
    assert client_session([(b"session_id", b""), (b"session-id", b"ses")]) == "ses"
    assert client_session([(b"x-other", b"ses")]) is None


def test_what_is_not_replaced_is_the_clients_own() -> None:
    """The Codex CLI's originator, session and beta header go as it sent them."""
    own = [(b"originator", b"codex_exec"), (b"session-id", b"s"), (b"openai-beta", b"x=1"), (b"Accept", b"*/*")]
    made = codex_headers(authorization="Bearer key", originator=None, session=None)
    assert not {b"originator", b"session-id", b"session_id", b"OpenAI-Beta"} & {name for name, _ in made}
    assert forwarded_request_headers(own, made) == own[:3]
