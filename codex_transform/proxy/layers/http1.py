"""HTTP/1 as endpoints and clients write it, where mitmproxy does not accept all that a recipient must.

* Interim responses, such as 103, precede the final response (RFC 9110 section 15.2).
* Trailer fields may be ignored (RFC 9112 section 7.1.2); mitmproxy gives up on them. See `chunked.py` too.
* A Content-Length next to a Transfer-Encoding is ignored (RFC 9112 section 6.3). mitmproxy refuses it, because two
  recipients could split the message differently; but nobody after us reads the endpoint's headers: clients get our own.
* Other invalid headers are reported as an error of the endpoint, not by an HTML page of mitmproxy's. Headers without an
  end are not buffered for ever.
* An empty line before a request is ignored (RFC 9112 section 2.2). mitmproxy removes it, but then does not process what
  arrived with it until more arrives.
* A client's headers without an end, and what it sends while it waits for a response, are not buffered for ever either.
* A client that sends `Connection: close` waits for the connection to close (RFC 9112 section 9.6). mitmproxy looks for
  the field in the forwarded request, from which hop-by-hop fields have been removed.
"""

from h11._readers import ChunkedReader, ContentLengthReader, Http10Reader
from mitmproxy.net.http.http1 import connection_close
from mitmproxy.net.http.validate import validate_headers
from mitmproxy.proxy import commands
from mitmproxy.proxy.events import ConnectionEvent, Event
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import (
    Http1Client,
    Http1Connection,
    Http1Server,
    HttpEvent,
    HttpStream,
    ReceiveHttp,
    RequestHeaders,
    RequestProtocolError,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
    SendHttp,
)

from codex_transform.proxy.call import get_call
from codex_transform.proxy.layers.chunked import ChunkedBody
from codex_transform.response.body_errors import MAX_BODY

BodyReader = ChunkedBody | ContentLengthReader | Http10Reader

# The most bytes that headers may have.
MAX_HEADERS = 1024 * 1024

# RFC 6585 section 5.
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class _Chunked(Http1Connection):
    """A connection whose chunked bodies are read by `ChunkedBody`."""

    @property  # type: ignore[override]
    def body_reader(self) -> BodyReader:
        """The reader of the current body."""
        return self._body_reader

    @body_reader.setter
    def body_reader(self, reader: BodyReader | ChunkedReader) -> None:
        self._body_reader = ChunkedBody() if isinstance(reader, ChunkedReader) else reader


class LenientHttp1Client(_Chunked, Http1Client):
    """A connection to a server, which may send interim responses."""

    def send(self, event: HttpEvent) -> CommandGenerator[None]:
        """Send a part of a request. What arrives after it was cancelled is ignored, because its stream may go on."""
        yield from super().send(event)
        if isinstance(event, RequestProtocolError):
            self.state = self.done

    def read_headers(self, event: ConnectionEvent) -> CommandGenerator[None]:
        """Read the headers as far as they have arrived."""
        if self.stream_id is not None and len(self.buf) > MAX_HEADERS:
            reason = "cannot parse its response: the headers do not end"
            yield commands.CloseConnection(self.conn)
            yield ReceiveHttp(ResponseProtocolError(self.stream_id, reason, ResponseProtocolError.code))
            return
        while True:
            for command in super().read_headers(event):
                if isinstance(command, ReceiveHttp) and _is_interim(command.event):
                    self.response = None
                    break  # the headers of the final response may have arrived too
                yield command
            else:
                return


class LenientHttp1Server(_Chunked, Http1Server):
    """A client's connection, closed after a response if the client requested that, and if it sends too much."""

    _close_after = False

    def read_headers(self, event: ConnectionEvent) -> CommandGenerator[None]:
        """Read the headers as far as they have arrived."""
        buffered = len(self.buf) + 1
        idle = True
        # If only empty lines were removed, the headers may follow them in the buffer.
        while idle and len(self.buf) < buffered:
            buffered = len(self.buf)
            for command in super().read_headers(event):
                idle = False
                if isinstance(command, ReceiveHttp) and isinstance(command.event, RequestHeaders):
                    request = command.event.request
                    self._close_after = connection_close(request.http_version, request.headers)
                yield command
        if idle and len(self.buf) > MAX_HEADERS:
            yield commands.SendData(self.conn, _TOO_LARGE)
            yield commands.CloseConnection(self.conn)
            self.state = self.done

    def wait(self, event: Event) -> CommandGenerator[None]:
        """Wait for the response; what the client sends meanwhile is its next request."""
        if len(self.buf) > MAX_BODY:
            yield commands.CloseConnection(self.conn)
            reason = "the client sent too much before it had a response"
            yield ReceiveHttp(RequestProtocolError(self.stream_id, reason, RequestProtocolError.code))
            self.state = self.done
            return
        yield from super().wait(event)

    def mark_done(self, *, request: bool = False, response: bool = False) -> CommandGenerator[None]:
        """Close the connection after the response if the client requested that."""
        yield from super().mark_done(request=request, response=response)
        if self._close_after and self.state == self.read_headers:
            yield commands.CloseConnection(self.conn)
            self.state = self.done


class FramingMixin(HttpStream):
    """A stream that accepts the endpoint's headers in spite of such faults, and ignores trailers."""

    def _handle_event(self, event: Event) -> CommandGenerator[None]:
        if isinstance(event, ResponseTrailers) and get_call(self.flow):
            return _nothing()
        handled: CommandGenerator[None] = super()._handle_event(event)
        return handled

    def state_wait_for_response_headers(self, event: Event) -> CommandGenerator[None]:
        """Receive the headers of the endpoint's response."""
        if isinstance(event, ResponseHeaders) and get_call(self.flow) and "transfer-encoding" in event.response.headers:
            event.response.headers.pop("content-length", None)
        yield from super().state_wait_for_response_headers(event)

    def check_invalid(self, request: bool) -> CommandGenerator[bool]:
        """Return whether the headers are refused; if so, the error has been handled."""
        response = self.flow.response
        if request or response is None or get_call(self.flow) is None:
            return (yield from super().check_invalid(request))
        try:
            validate_headers(response)
        except ValueError as error:
            reason = f"cannot parse its response: {error}"
            # The headers must not be forwarded, and nothing more must be read.
            self.flow.response = None
            cancel = RequestProtocolError(self.stream_id, reason, RequestProtocolError.code)
            yield SendHttp(cancel, self.context.server)
            broken = ResponseProtocolError(self.stream_id, reason, ResponseProtocolError.code)
            yield from self.handle_protocol_error(broken)
            return True
        return False


def _nothing() -> CommandGenerator[None]:
    yield from ()


def _is_interim(event: object) -> bool:
    # A 101 is not an interim response: another protocol follows.
    return isinstance(event, ResponseHeaders) and event.response.status_code in {100, *range(102, 200)}
