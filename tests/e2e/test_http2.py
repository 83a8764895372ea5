"""Connections of the proxy: HTTP/2 on either side, HTTP/1.1 kept alive, and clients that hang up."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from support import certificates, h2_endpoint
from support.h2_client import HELLO, Http2Client, only_http2
from support.h2_endpoint import H2Endpoint
from support.running import Endpoint, Proxy, mitmdump
from support.sdk import client

from codex_transform.sandbox import Sandbox, running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The files of the endpoint's certificate: one with its key, one to trust."""
    return certificates.certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def endpoint(certificate: tuple[Path, Path]) -> Iterator[H2Endpoint]:
    """An endpoint that speaks only HTTP/2."""
    with h2_endpoint.running(certificate[0]) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def old_endpoint(certificate: tuple[Path, Path]) -> Iterator[Sandbox]:
    """An endpoint that speaks HTTP/1.1 over TLS."""
    with running(Sandbox(certfile=str(certificate[0]))) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def proxy(
    certificate: tuple[Path, Path], endpoint: H2Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    with proxy_for(endpoint, certificate, tmp_path_factory) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def old_proxy(
    certificate: tuple[Path, Path], old_endpoint: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    with proxy_for(old_endpoint, certificate, tmp_path_factory) as proxy:
        yield proxy


@contextmanager
def proxy_for(endpoint: Endpoint, certificate: tuple[Path, Path], folders: pytest.TempPathFactory) -> Iterator[Proxy]:
    option = f"ssl_verify_upstream_trusted_ca={certificate[1]}"
    with mitmdump(folders.mktemp("tls-proxy") / "home", endpoint, "--set", option) as proxy:
        yield proxy


def ask(sdk: openai.OpenAI, misbehaviour: str | None = None) -> list[Any]:
    """Return all events of a streamed answer."""
    headers = {"x-sandbox-misbehave": misbehaviour} if misbehaviour else {}
    with sdk.responses.create(**HELLO, stream=True, extra_headers=headers) as stream:
        return list(stream)


def hang_up(sdk: openai.OpenAI, misbehaviour: str) -> int:
    """Close a stream after its first four events, and return their number."""
    with sdk.responses.create(**HELLO, stream=True, extra_headers={"x-sandbox-misbehave": misbehaviour}) as stream:
        return len([next(stream) for _ in range(4)])


def is_whole(events: list[Any]) -> bool:
    response = events[-1].response
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    return bool(events[-1].type == "response.completed" and response.output_text == text and "[sandbox] Hello" in text)


def test_http2_on_both_sides(proxy: Proxy, endpoint: H2Endpoint) -> None:
    endpoint.forget()
    with client(proxy, only_http2(proxy), http2=True) as sdk:
        assert is_whole(ask(sdk))
        whole = sdk.responses.with_raw_response.create(**HELLO)
        assert whole.http_response.http_version == "HTTP/2"
        assert whole.headers["x-request-id"].startswith("req_sandbox_h2_")
        assert "[sandbox] Hello" in whole.parse().output_text
    connections = [entry["connection"] for entry in endpoint.requests]
    assert connections == connections[:1] * 2
    sent = endpoint.requests[0]
    assert sent["path"] == "/backend-api/codex/responses"
    assert sent["headers"]["authorization"].endswith(endpoint.key[-4:])
    assert sent["body"]["store"] is False


@pytest.mark.parametrize("broken", ["reset@4", "cut@4", "no-terminal@4"])
def test_an_http2_stream_that_breaks_off_ends_with_an_error(proxy: Proxy, broken: str) -> None:
    """By RST_STREAM, by GOAWAY and the end of the connection, and by a proper but early end."""
    with client(proxy, only_http2(proxy), http2=True) as sdk:
        with pytest.raises(openai.APIError) as raised:
            ask(sdk, broken)
        assert not isinstance(raised.value, openai.APIConnectionError | openai.APIStatusError)
        assert raised.value.code == "server_error"
        with pytest.raises(openai.InternalServerError) as failed:
            sdk.responses.create(**HELLO, extra_headers={"x-sandbox-misbehave": broken})
        assert failed.value.status_code == 502
        with pytest.raises(openai.InternalServerError) as failed:
            ask(sdk, broken.replace("@4", "@0"))
        assert failed.value.status_code == 502
        assert is_whole(ask(sdk))


def test_a_refused_request_is_sent_again_over_the_same_http2_connection(proxy: Proxy, endpoint: H2Endpoint) -> None:
    endpoint.forget()
    with client(proxy, only_http2(proxy), http2=True) as sdk:
        for _ in range(2):
            headers = {"x-sandbox-misbehave": "no-web-search-items"}
            history = [{"type": "web_search_call", "action": {"type": "search"}}, {"role": "user", "content": "hello"}]
            asked = {**HELLO, "input": history}
            with sdk.responses.create(**asked, stream=True, extra_headers=headers) as stream:
                assert is_whole(list(stream))
    assert [entry["status"] for entry in endpoint.requests] == [400, 200] * 2
    assert len({entry["connection"] for entry in endpoint.requests}) == 1


def test_streams_of_one_http2_connection_do_not_disturb_each_other(proxy: Proxy, endpoint: H2Endpoint) -> None:
    endpoint.forget()
    with closing(Http2Client(proxy)) as raw:
        waiting = raw.send("hang")
        raw.read(waiting, until=b"response.created")
        assert b"response.completed" in raw.read(raw.send())
        assert b"event: error" in raw.read(raw.send("reset"))
        raw.reset(waiting)
        assert endpoint.wait(lambda requests: bool(requests[0]["cancelled"]), seconds=1)
        assert b"response.completed" in raw.read(raw.send())
    assert [entry["cancelled"] for entry in endpoint.requests] == [True, False, False, False]
    assert len({entry["connection"] for entry in endpoint.requests}) == 1


def test_a_long_answer_over_http2_is_complete(proxy: Proxy, endpoint: H2Endpoint) -> None:
    """Longer than any window of flow control, in both directions."""
    endpoint.forget()
    numbers = " ".join(map(str, range(1, 20_001)))
    with closing(Http2Client(proxy)) as raw:
        body = raw.read(raw.send("filled-output", prompt="count to 20000"))
        # The response objects are filled in; all else is complete.
        assert 0 <= len(body) - endpoint.requests[0]["sent"] < 2_000
        assert len(body) > 4_000_000
        assert body.count(numbers.encode()) > 1
        quoted = raw.read(raw.send(prompt=f"say {numbers} please"))
    assert b"response.completed" in quoted
    assert numbers in endpoint.requests[1]["body"]["input"][0]["content"][0]["text"]


def test_web_pages_and_limits_over_http2_are_errors(proxy: Proxy) -> None:
    with client(proxy, only_http2(proxy), http2=True) as sdk:
        with pytest.raises(openai.InternalServerError, match="web page"):
            ask(sdk, "html-200")
        with pytest.raises(openai.RateLimitError) as raised:
            ask(sdk, "usage-limit-404")
        assert raised.value.response.headers["retry-after"] == "3600"
        assert is_whole(ask(sdk, "gzip+response-done"))


def test_an_http2_client_works_with_an_http11_endpoint(old_proxy: Proxy, old_endpoint: Sandbox) -> None:
    old_endpoint.forget()
    with closing(Http2Client(old_proxy)) as raw:
        waiting = raw.send("hang")
        raw.read(waiting, until=b"response.created")
        assert b"response.completed" in raw.read(raw.send())
        assert b"event: error" in raw.read(raw.send("reset"))
        raw.reset(waiting)
        assert old_endpoint.wait(lambda requests: bool(requests[0]["cancelled"]), seconds=1)
        assert b"response.completed" in raw.read(raw.send())


def test_http11_connections_are_kept_alive(old_proxy: Proxy, old_endpoint: Sandbox) -> None:
    """After a stream, a whole answer, an error and a refusal the connection can be reused."""
    old_endpoint.forget()
    with client(old_proxy, only_http2(old_proxy), http2=False) as sdk:
        assert is_whole(ask(sdk))
        assert sdk.responses.create(**HELLO).status == "completed"
        with pytest.raises(openai.RateLimitError):
            ask(sdk, "rate-limit")
        bad: Any = ["neither text nor item"]
        with pytest.raises(openai.BadRequestError):
            sdk.responses.create(model="gpt-5.1-codex", input=bad)
        assert is_whole(ask(sdk, "response-done"))
    connections = [entry["connection"] for entry in old_endpoint.requests]
    assert connections == connections[:1] * 4


@pytest.mark.parametrize("misbehaviour", ["hang@4", "slow@50"])
def test_a_client_that_hangs_up_ends_the_request_to_the_endpoint(
    old_proxy: Proxy, old_endpoint: Sandbox, misbehaviour: str
) -> None:
    """In the middle of a stream, whether or not more is being sent: tokens cost money."""
    old_endpoint.forget()
    with client(old_proxy, only_http2(old_proxy), http2=False) as sdk:
        assert hang_up(sdk, misbehaviour) == 4
        assert old_endpoint.wait(lambda requests: bool(requests[0]["cancelled"]), seconds=1)
        assert is_whole(ask(sdk))


def test_the_rest_of_a_refused_answer_is_not_waited_for(
    proxy: Proxy, endpoint: H2Endpoint, old_proxy: Proxy, old_endpoint: Sandbox
) -> None:
    """An answer that begins invalidly is refused at once, and its stream is reset."""
    for through, to, http2 in (
        (old_proxy, old_endpoint, False),
        (old_proxy, old_endpoint, True),
        (proxy, endpoint, True),
    ):
        to.forget()
        with client(through, only_http2(through), http2) as sdk:
            with pytest.raises(openai.InternalServerError) as raised:
                ask(sdk, "false-gzip+hang@1")
            assert raised.value.status_code == 502
            assert to.wait(lambda requests: bool(requests[0]["cancelled"]), seconds=1)
            assert is_whole(ask(sdk))


@pytest.mark.parametrize("streaming", [True, False])
def test_a_client_that_leaves_before_the_answer_ends_the_request(
    old_proxy: Proxy, old_endpoint: Sandbox, streaming: bool
) -> None:
    old_endpoint.forget()
    body = json.dumps({**HELLO, "stream": streaming}).encode()
    with socket.create_connection(("127.0.0.1", old_proxy.port), timeout=30) as raw:
        raw.sendall(
            b"POST http://api.openai.com/v1/responses HTTP/1.1\r\nHost: api.openai.com\r\n"
            b"x-sandbox-misbehave: hang-before-head\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        assert old_endpoint.wait(lambda requests: len(requests) == 1)
    assert old_endpoint.wait(lambda requests: bool(requests[0]["cancelled"]), seconds=1)
