"""GOAWAY from either side: streams that it covers end well, others are sent again, and nothing waits for a timeout."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from h2.errors import ErrorCodes
from support import certificates, h2_endpoint
from support.h2_client import Http2Client
from support.h2_endpoint import H2Endpoint
from support.running import Proxy, mitmdump
from support.waiting import eventually

WHOLE = b"event: response.completed"
BUSY = 10


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificates.certificate(tmp_path_factory.mktemp("tls"))


@contextmanager
def serving(certificate: tuple[Path, Path], folder: Path, max_streams: int = 100) -> Iterator[tuple[Proxy, H2Endpoint]]:
    option = f"ssl_verify_upstream_trusted_ca={certificate[1]}"
    with (
        h2_endpoint.running(certificate[0], max_streams) as endpoint,
        mitmdump(folder / "home", endpoint, "--set", option) as proxy,
    ):
        yield proxy, endpoint


@pytest.fixture(scope="module")
def served(
    certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Proxy, H2Endpoint]]:
    with serving(certificate, tmp_path_factory.mktemp("goaway")) as both:
        yield both


@pytest.fixture(scope="module")
def served_narrowly(
    certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Proxy, H2Endpoint]]:
    """An endpoint that allows as many streams at a time as mitmproxy opens before it knows the number."""
    with serving(certificate, tmp_path_factory.mktemp("narrow"), max_streams=BUSY) as both:
        yield both


@contextmanager
def conversation(served: tuple[Proxy, H2Endpoint]) -> Iterator[tuple[Http2Client, H2Endpoint]]:
    """A client, and an endpoint that holds its answers and knows no earlier requests."""
    proxy, endpoint = served
    endpoint.forget()
    endpoint.hold()
    try:
        with closing(Http2Client(proxy)) as client:
            yield client, endpoint
    finally:
        endpoint.release()
        assert eventually(lambda: endpoint.connected == 0)
    assert "crashed" not in proxy.log
    assert "Traceback" not in proxy.log


def prompts(endpoint: H2Endpoint) -> list[str]:
    """The prompts that the endpoint has got, each with the number of its connection, the first being 0."""
    first = min(entry["connection"] for entry in endpoint.requests)
    return sorted(
        f"{entry['body']['input'][0]['content'][0]['text']}/{entry['connection'] - first}"
        for entry in endpoint.requests
    )


def fill(client: Http2Client) -> list[int]:
    """Begin as many streams as the endpoint allows at a time."""
    streams = [client.send(prompt="a") for _ in range(BUSY)]
    for stream in streams:
        client.read(stream, until=b"response.created")
    return streams


def wait_for_a_free_stream(client: Http2Client) -> list[int]:
    """Send two more requests, and return them once the proxy has them."""
    waiting = [client.send(prompt=prompt) for prompt in ("b", "c")]
    client.ping()
    return waiting


def arrived(endpoint: H2Endpoint, number: int) -> bool:
    return endpoint.wait(lambda requests: len(requests) == number, seconds=30)


def test_streams_that_goaway_covers_end_well_and_new_ones_get_a_new_connection(
    served: tuple[Proxy, H2Endpoint],
) -> None:
    with conversation(served) as (client, endpoint):
        streams = [client.send(prompt=prompt) for prompt in ("a", "b")]
        for stream in streams:
            client.read(stream, until=b"response.created")
        endpoint.go_away()
        streams.append(client.send(prompt="c"))
        client.read(streams[-1], until=b"response.created")
        endpoint.release()
        assert [client.read(stream).count(WHOLE) for stream in streams] == [1, 1, 1]
        # The proxy closes the connection that has no streams left.
        assert eventually(lambda: endpoint.connected == 1)
        assert client.read(client.send(prompt="d")).count(WHOLE) == 1
        assert prompts(endpoint) == ["a/0", "b/0", "c/1", "d/1"]


def test_an_idle_connection_that_gets_goaway_is_closed(served: tuple[Proxy, H2Endpoint]) -> None:
    with conversation(served) as (client, endpoint):
        endpoint.release()
        assert client.read(client.send(prompt="a")).count(WHOLE) == 1
        endpoint.go_away()
        assert eventually(lambda: endpoint.connected == 0)
        assert client.read(client.send(prompt="b")).count(WHOLE) == 1
        assert prompts(endpoint) == ["a/0", "b/1"]


def test_streams_that_goaway_does_not_cover_are_sent_again_on_a_new_connection(
    served: tuple[Proxy, H2Endpoint],
) -> None:
    with conversation(served) as (client, endpoint):
        endpoint.hold(steps=0)
        covered = client.send(prompt="a")
        assert arrived(endpoint, 1)
        refused = [client.send(prompt=prompt) for prompt in ("b", "c")]
        assert arrived(endpoint, 3)
        endpoint.go_away(last_stream=1)
        assert arrived(endpoint, 5)
        endpoint.release()
        assert [client.read(stream).count(WHOLE) for stream in (covered, *refused)] == [1] * 3
        assert prompts(endpoint) == ["a/0", "b/0", "b/1", "c/0", "c/1"]


def test_requests_that_wait_for_a_free_stream_are_sent_on_the_next_connection(
    served_narrowly: tuple[Proxy, H2Endpoint],
) -> None:
    with conversation(served_narrowly) as (client, endpoint):
        streams, waiting = fill(client), wait_for_a_free_stream(client)
        endpoint.go_away()
        assert arrived(endpoint, BUSY + 2)
        endpoint.release()
        assert [client.read(stream).count(WHOLE) for stream in (*streams, *waiting)] == [1] * (BUSY + 2)
        assert prompts(endpoint) == ["a/0"] * BUSY + ["b/1", "c/1"]


@pytest.mark.parametrize("broken", ["cut", "goaway"])
def test_a_connection_that_breaks_ends_its_streams_at_once(served: tuple[Proxy, H2Endpoint], broken: str) -> None:
    with conversation(served) as (client, endpoint):
        streams = [client.send(prompt=prompt) for prompt in ("a", "b")]
        for stream in streams:
            client.read(stream, until=b"response.created")
        if broken == "cut":
            assert client.read(client.send("cut@0", prompt="c"))
        else:
            endpoint.go_away(error=ErrorCodes.INTERNAL_ERROR)
        for stream in streams:
            body = client.read(stream)
            assert b"event: error" in body
            assert WHOLE not in body
        endpoint.release()
        assert client.read(client.send(prompt="d")).count(WHOLE) == 1


def test_requests_that_wait_for_a_free_stream_survive_a_broken_connection(
    served_narrowly: tuple[Proxy, H2Endpoint],
) -> None:
    with conversation(served_narrowly) as (client, endpoint):
        streams, waiting = fill(client), wait_for_a_free_stream(client)
        endpoint.go_away(error=ErrorCodes.INTERNAL_ERROR)
        for stream in streams:
            assert b"event: error" in client.read(stream)
        endpoint.release()
        assert [client.read(stream).count(WHOLE) for stream in waiting] == [1, 1]


def test_a_request_that_is_given_up_while_it_waits_is_never_sent(served_narrowly: tuple[Proxy, H2Endpoint]) -> None:
    with conversation(served_narrowly) as (client, endpoint):
        streams = fill(client)
        client.reset(client.send(prompt="b"))
        streams.append(client.send(prompt="c"))
        client.ping()
        endpoint.release()
        assert [client.read(stream).count(WHOLE) for stream in streams] == [1] * (BUSY + 1)
        assert prompts(endpoint) == ["a/0"] * BUSY + ["c/0"]


def test_a_client_that_sends_goaway_gets_the_rest_of_its_answers(served: tuple[Proxy, H2Endpoint]) -> None:
    with conversation(served) as (client, endpoint):
        streams = [client.send(prompt=prompt) for prompt in ("a", "b")]
        client.read(streams[0], until=b"response.created")
        client.go_away()
        client.ping()
        endpoint.release()
        assert [client.read(stream).count(WHOLE) for stream in streams] == [1, 1]
        assert client.wait_until_closed()
