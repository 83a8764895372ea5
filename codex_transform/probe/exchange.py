"""Try an endpoint and its key with one small real request, and report step by step.

The request is made by the code that the proxy uses, so the result holds for OpenCode's requests too. Like mitmproxy it
goes straight to the endpoint, whatever the proxy variables, and trusts what mitmproxy trusts. One deadline holds for
all of it (`net.py`), also with a server that sends a byte now and then.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from typing import NamedTuple

import certifi

from codex_transform import __version__, concurrency, net, paths
from codex_transform.catalog import Resolved
from codex_transform.clients.client import OPENCODE
from codex_transform.endpoint.headers import codex_headers
from codex_transform.endpoint.url import Endpoint
from codex_transform.errors import ApiError
from codex_transform.instructions.store import InstructionStore
from codex_transform.jsonio import dumps
from codex_transform.opencode.config import OpenCodeConfig
from codex_transform.probe.verdict import CHECK_URL, Step, accepted, classify, completed, no_response
from codex_transform.redaction import redact_key_text
from codex_transform.request import Context, transform
from codex_transform.response.client_view import ClientView
from codex_transform.response.http_error import error_for_client
from codex_transform.response.stream import ResponseStream
from codex_transform.settings.options import Settings

__all__ = ["MODEL", "ProbeOptions", "Step", "probe"]

MODEL = "gpt-5.3-codex"
"""The model that is used unless another is named."""

_CHUNK = 16 * 1024
_MAX_ERROR = 64 * 1024
_MAX_RESPONSE = 4 * 1024 * 1024

# OpenSSL's verification results (X509_V_ERR_*) for a certificate that somebody else has to fix.
_EXPIRED, _NOT_YET = 10, 9
_WRONG_NAME = (62, 64)


class ProbeOptions(NamedTuple):
    """The options of a probe.

    `trusted_ca` is mitmproxy's option `ssl_verify_upstream_trusted_ca`: a PEM file that replaces the usual authorities.
    `instructions` is as in `request.Context`; None stands for those in the proxy's cache.
    """

    originator: str
    model: str
    trusted_ca: Path | None
    instructions: Callable[[Resolved, str | None], str] | None


def probe(
    endpoint: Endpoint,
    key: str,
    *,
    originator: str = "opencode",
    model: str | None = None,
    timeout: float = 20.0,
    trusted_ca: Path | None = None,
    instructions: Callable[[Resolved, str | None], str] | None = None,
) -> Iterator[Step]:
    """Try `endpoint` with `key`, both from the settings. The last step is the first that failed, if any.

    The steps are `dns`, `tcp`, `tls` (https only), `key`, `stream`; `key` is left out if the response does not show
    whether the key is valid: a web page, a server error. `timeout` is for all of them, in seconds. For the rest see
    `ProbeOptions`. No step shows the key. Nothing that happens on the network raises.
    """
    deadline = time.monotonic() + timeout
    for step in _steps(endpoint, key, ProbeOptions(originator, model or MODEL, trusted_ca, instructions), deadline):
        yield step._replace(message=redact_key_text(step.message, key))


def _steps(endpoint: Endpoint, key: str, ask: ProbeOptions, deadline: float) -> Iterator[Step]:
    try:
        addresses = _resolve(endpoint, deadline)
    except (OSError, UnicodeError, FutureTimeoutError) as error:
        message = f"there is no address for {endpoint.host} ({_reason(error)})"
        yield Step("dns", False, message, f"Check the network's DNS. {CHECK_URL}")
        return
    others = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    yield Step("dns", True, f"{endpoint.host} is {addresses[0]}{others}")
    try:
        connection = _connect(addresses, endpoint.port, deadline)
    except OSError as error:
        yield _connect_failure(endpoint, error)
        return
    with ExitStack() as stack:
        stack.enter_context(connection)
        yield Step("tcp", True, f"port {endpoint.port} is open")
        if endpoint.scheme == "https":
            try:
                context = _tls_context(ask.trusted_ca)
            except OSError as error:
                message = f"the authorities to trust cannot be read from {ask.trusted_ca} ({_reason(error)})"
                yield Step("tls", False, message, "Fix ssl_verify_upstream_trusted_ca in ~/.mitmproxy/config.yaml.")
                return
            # The handshake starts below, where the deadline can end it.
            tls = context.wrap_socket(connection, server_hostname=endpoint.host, do_handshake_on_connect=False)
            connection = stack.enter_context(tls)
        late = stack.enter_context(net.deadline(connection, _left(deadline)))
        if isinstance(connection, ssl.SSLSocket):
            step = _tls_handshake(connection, endpoint, late)
            yield step
            if not step.ok:
                return
        yield from _exchange(connection, endpoint, key, ask, late)


def _resolve(endpoint: Endpoint, deadline: float) -> list[str]:
    """Return the endpoint's addresses."""
    lookup = concurrency.run_in_thread(
        lambda: socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    )
    return list(dict.fromkeys(str(entry[4][0]) for entry in lookup.result(_left(deadline))))


def _connect(addresses: list[str], port: int, deadline: float) -> socket.socket:
    """Connect to the first address that accepts; each gets its share of the time. Raises OSError."""
    failure: OSError = TimeoutError("timed out")
    for tried, address in enumerate(addresses):
        try:
            return socket.create_connection((address, port), _left(deadline) / (len(addresses) - tried))
        except OSError as error:
            failure = error
    raise failure


def _connect_failure(endpoint: Endpoint, error: OSError) -> Step:
    if isinstance(error, ConnectionRefusedError):
        message = f"nothing listens at {endpoint.host} port {endpoint.port}"
        return Step("tcp", False, message, f"Check that the endpoint runs. {CHECK_URL}")
    if isinstance(error, TimeoutError):
        message = f"{endpoint.host} port {endpoint.port} did not answer in time"
    else:
        message = f"there is no route to {endpoint.host} port {endpoint.port} ({_reason(error)})"
    return Step("tcp", False, message, f"Check the network. {CHECK_URL}")


def _tls_context(trusted_ca: Path | None) -> ssl.SSLContext:
    """Trust what mitmproxy trusts: certifi's authorities, or only those of the option. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(trusted_ca or certifi.where())
    return context


def _tls_handshake(connection: ssl.SSLSocket, endpoint: Endpoint, late: Event) -> Step:
    try:
        connection.do_handshake()
    except ssl.SSLCertVerificationError as error:
        return _certificate_failure(endpoint, error)
    except (OSError, ValueError) as error:
        if late.is_set() or isinstance(error, TimeoutError):
            message = f"{endpoint.host} did not answer the TLS handshake in time"
        else:
            message = f"port {endpoint.port} does not speak TLS properly ({_reason(error)})"
        return Step("tls", False, message, f"Check that it is https, and the right port. {CHECK_URL}")
    ends = (connection.getpeercert() or {}).get("notAfter", "")
    return Step("tls", True, f"{connection.version()}, the certificate is valid until {ends}")


def _certificate_failure(endpoint: Endpoint, error: ssl.SSLCertVerificationError) -> Step:
    """Return the step for a certificate that was refused."""
    if error.verify_code == _EXPIRED:
        message, hint = (
            f"the certificate of {endpoint.host} has expired",
            "Check this machine's clock; if it is right, the endpoint's owner has to renew it.",
        )
    elif error.verify_code == _NOT_YET:
        message, hint = f"the certificate of {endpoint.host} is not valid yet", "Check this machine's clock."
    elif error.verify_code in _WRONG_NAME:
        message, hint = f"the certificate is for another name than {endpoint.host}", CHECK_URL
    else:
        message = (
            f"the certificate of {endpoint.host} is from an authority that is not trusted ({error.verify_message})"
        )
        hint = (
            "Put `ssl_verify_upstream_trusted_ca: FILE` into ~/.mitmproxy/config.yaml, with its file (PEM), if that is "
            "your company's or your own."
        )
    return Step("tls", False, message, hint)


class _Connected(http.client.HTTPConnection):
    """A client on a connection that has been made already, step by step."""

    def __init__(self, connection: socket.socket, endpoint: Endpoint) -> None:
        super().__init__(endpoint.host, endpoint.port)
        self._connection = connection

    def connect(self) -> None:
        """Use the connection."""
        self.sock = self._connection


def _exchange(
    connection: socket.socket, endpoint: Endpoint, key: str, ask: ProbeOptions, late: Event
) -> Iterator[Step]:
    """Send the request and read its response."""
    began = time.monotonic()
    client = _Connected(connection, endpoint)
    beginning = b""
    try:
        _send(client, endpoint, key, ask)
        # An unclosed response would keep the connection open.
        with closing(client.getresponse()) as response:
            if not 200 <= response.status < 300:
                yield from _failed(response, endpoint, ask)
                return
            answer = ResponseStream(ClientView(), response.headers.get("content-encoding"))
            for output in _rewritten(answer, response):
                if output and not beginning:
                    yield accepted()
                beginning = beginning or output
            error = answer.error
    except ApiError as raised:
        error = raised
    except (OSError, http.client.HTTPException, ValueError) as failure:
        yield no_response(endpoint, "it took too long" if late.is_set() else _reason(failure))
        return
    if error and late.is_set():
        yield no_response(endpoint, "it took too long")
    elif error:
        yield from classify(error, ask.model, started=bool(beginning))
    else:
        yield completed(time.monotonic() - began, beginning, ask.model)


def _failed(response: http.client.HTTPResponse, endpoint: Endpoint, ask: ProbeOptions) -> Iterator[Step]:
    """Return the steps for a response with a status that is not a success."""
    body = response.read(_MAX_ERROR)
    error = error_for_client(response.status, dict(response.getheaders()), body, endpoint=endpoint.url)
    is_page = body.lstrip().startswith(b"<") or "html" in response.headers.get("content-type", "")
    return classify(error, ask.model, not_an_api=is_page or response.status < 400)


def _send(client: http.client.HTTPConnection, endpoint: Endpoint, key: str, ask: ProbeOptions) -> None:
    """Send a complete Codex request that costs next to nothing."""
    body = {"model": ask.model, "input": "Reply with: ok", "stream": True}
    instructions = ask.instructions
    if instructions is None:
        instructions = InstructionStore(paths.cache_folder(paths.home_or_none()), Settings().catalog_url).text
    done = transform(
        body, Context(OPENCODE, mode=True, options_for=OpenCodeConfig().options_for, instructions=instructions)
    )
    content = dumps(done.body)
    client.putrequest("POST", endpoint.path, skip_host=True, skip_accept_encoding=True)
    client.putheader("Host", endpoint.authority)
    client.putheader("User-Agent", f"codex-transform/{__version__}")
    client.putheader("Content-Length", str(len(content)))
    for name, value in codex_headers(authorization=f"Bearer {key}", originator=ask.originator, session=None):
        client.putheader(name, value)
    client.endheaders(content)


def _rewritten(answer: ResponseStream, response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield what a client would get, as it arrives, up to a limit."""
    left = _MAX_RESPONSE
    while left > 0 and not answer.status and (piece := response.read1(_CHUNK)):
        left -= len(piece)
        yield answer.feed(piece)
    yield answer.finish()


def _left(deadline: float) -> float:
    return max(0.01, deadline - time.monotonic())


def _reason(error: BaseException) -> str:
    """Return what went wrong, in a few words for people."""
    if isinstance(error, FutureTimeoutError | TimeoutError):
        return "no response in time"
    if isinstance(error, http.client.RemoteDisconnected | http.client.IncompleteRead):
        return "it closed the connection"
    if isinstance(error, http.client.HTTPException):
        return "it does not speak HTTP properly"
    words = error.reason if isinstance(error, ssl.SSLError) else getattr(error, "strerror", None)
    return " ".join(str(words or error).split())[:200] or type(error).__name__
