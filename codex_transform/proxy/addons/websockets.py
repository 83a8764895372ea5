"""Addon: answers over WebSockets (API reference, "WebSocket mode").

Each message of a client becomes a separate request, which is handled like every other call, and whose events become
messages as they arrive. A connection remembers its responses while it is open, whether or not they are stored, so that
`previous_response_id` works with `store: false`.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from mitmproxy import http

from codex_transform.errors import ApiError
from codex_transform.jsonio import dumps
from codex_transform.proxy import responses
from codex_transform.proxy.addons.drain import Drain
from codex_transform.proxy.addons.stored_responses import FAILED, StoredResponses
from codex_transform.proxy.admission import get_admission
from codex_transform.proxy.call import get_call
from codex_transform.proxy.client_address import client_address
from codex_transform.proxy.patches.transports import drain as drain_client
from codex_transform.proxy.replay import Replay, copy_request
from codex_transform.proxy.stream_function import StreamFunction
from codex_transform.proxy.websocket import HIGH_WATER, Socket, get_socket
from codex_transform.response.response_to_events import response_to_stream
from codex_transform.state import history
from codex_transform.state.ids import new_id
from codex_transform.state.new_response import new_response
from codex_transform.state.responses import StoredResponse
from codex_transform.state.store import MemoryStore, Section
from codex_transform.websocket import handshake
from codex_transform.websocket.frames import text_frame
from codex_transform.websocket.messages import EventFrames, error_message, parse_message, response_message

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 100
"""WebSockets that one client address may have open."""

_GOING_AWAY, _POLICY = 1001, 1008
_STOPPED = "the proxy is being stopped"

# Headers about the client's WebSocket are not for the endpoint.
_ABOUT_SOCKET = ("connection", "upgrade")
_BETA, _SOCKET_BETA = "openai-beta", "responses_websockets"
_NO_TOKENS = {
    "input_tokens": 0,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 0,
}


class WebSockets:
    """Answers over WebSockets."""

    def __init__(self, stored: StoredResponses, drain: Drain) -> None:
        self.stored = stored
        self.drain = drain
        self.memory = MemoryStore()
        self.turns: dict[http.HTTPFlow, _Turn] = {}
        self.connections: set[_Connection] = set()
        drain.before_end(self._stop)

    def request(self, flow: http.HTTPFlow) -> None:
        """Open a WebSocket, or assign the call of a message to its client."""
        if flow.response:
            return
        if turn := self.turns.get(flow):
            turn.adopt(flow)
        elif socket := get_socket(flow):
            try:
                flow.response = self._open(flow, socket)
            except ApiError as error:
                flow.response = responses.error_response(error)

    async def socket_output(self, socket: Socket) -> None:
        """Wait for what is to be sent next, and for the client to take what has been sent."""
        await drain_client(socket.client)
        await socket.wait_for_output()

    def done(self) -> None:
        """Close the open WebSockets when mitmproxy ends or reloads the script."""
        self._stop()

    def _open(self, flow: http.HTTPFlow, socket: Socket) -> http.Response:
        """Return the response that opens a WebSocket. Raises ApiError."""
        if self.drain.refusing:
            raise ApiError(503, f"{_STOPPED}. Fix: try again once it runs", code="proxy_stopped")
        address = client_address(flow)
        if sum(each.address == address for each in self.connections) >= MAX_CONNECTIONS:
            raise ApiError(429, f"{MAX_CONNECTIONS} WebSockets of {address} are open: close some", retry_after=10)
        socket.peer = _Connection(self, flow, socket, address)
        headers = http.Headers(
            upgrade="websocket",
            connection="Upgrade",
            sec_websocket_accept=handshake.accept_token(flow.request.headers),
        )
        response = http.Response.make(101, b"", headers)
        response.headers.pop("content-length", None)
        return response

    def _stop(self) -> bool:
        """Close the WebSockets without a response in progress; return whether there are any. The others follow."""
        idle = [connection.socket for connection in self.connections if not connection.socket.busy]
        for socket in idle:
            socket.close(_GOING_AWAY, _STOPPED)
        return bool(idle)


class _Connection:
    """One WebSocket."""

    def __init__(self, addon: WebSockets, flow: http.HTTPFlow, socket: Socket, address: str) -> None:
        self.addon, self.flow, self.socket, self.address = addon, flow, socket, address
        self.store = Section(addon.memory, new_id("ws"))
        self._running: set[_Turn] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def opened(self) -> None:
        """Note that the WebSocket is open."""
        self.addon.connections.add(self)

    def received(self, content: bytes, *, text: bool) -> None:
        """Answer a message."""
        if self.socket.queued > HIGH_WATER:
            self.socket.close(_POLICY, "what has been sent was not read")
            return
        try:
            self._answer(content, text=text)
        except ApiError as error:
            self._send(error_message(error))
        except Exception:
            logger.exception("answering a message failed")
            self._send(error_message(FAILED))

    def left(self) -> None:
        """End the response in progress, for which nobody is waiting any more."""
        self.addon.connections.discard(self)
        self.store.close()
        for turn in self._running:
            self._start(turn.replay.leave())

    def _answer(self, content: bytes, *, text: bool) -> None:
        if self.socket.busy:
            message = "a response is in progress: a connection has one at a time"
            raise ApiError(409, message, code="response_in_progress")
        create = parse_message(content, text=text)
        if create.generate:
            turn = _Turn(self, _request(self.flow, create.body))
            self.socket.busy = True
            self.addon.turns[turn.flow] = turn
            self._running.add(turn)
            self._start(self._run(turn))
        else:
            self.socket.busy = True
            self._start(self._answer_warm_up(create.body))

    async def _run(self, turn: "_Turn") -> None:
        try:
            await turn.replay.run()
            turn.finish()
        except Exception:
            logger.exception("an answer over a WebSocket failed")
            self._send(error_message(FAILED))
        finally:
            turn.set_answered()
            turn.release()
            self.addon.turns.pop(turn.flow, None)
            self._running.discard(turn)
            if self.addon.drain.refusing:
                self.socket.close(_GOING_AWAY, _STOPPED)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _send(self, message: bytes) -> None:
        self.socket.send(text_frame(message))

    async def _answer_warm_up(self, body: dict[str, Any]) -> None:
        """Answer a request that is not to be sent, on which later ones may build."""
        try:
            response = await self._warm_up(body)
            self.socket.send(EventFrames().feed(response_to_stream(response)))
        except ApiError as error:
            self._send(error_message(error))
        except Exception:
            logger.exception("answering a message failed")
            self._send(error_message(FAILED))
        finally:
            self.socket.busy = False
            if self.addon.drain.draining:
                self.socket.close(_GOING_AWAY, _STOPPED)

    async def _warm_up(self, body: dict[str, Any]) -> dict[str, Any]:
        owner = self.socket.owner
        known, conversations = self.addon.stored.known(owner, self.store, wanted=False)
        references = history.References()
        if history.refers(body):
            references = await self.addon.stored.resolve(owner, dict(body), known, conversations)
        response = {**new_response(body, "completed"), "usage": _NO_TOKENS}
        known.put(StoredResponse(response, dumps(body), references.previous, references.conversation))
        return response


class _Turn:
    """One request of a client, which goes to the endpoint, and its answer."""

    def __init__(self, connection: _Connection, flow: http.HTTPFlow) -> None:
        self.connection, self.flow = connection, flow
        self.replay = Replay(flow, connection.socket.wait_for_room)
        self._events = EventFrames()
        self._streamed = self._answered = False

    def adopt(self, flow: http.HTTPFlow) -> None:
        """Assign the call to the client."""
        if call := get_call(flow):
            call.owner, call.authorization = self.connection.socket.owner, self.connection.socket.authorization
            call.connection_store, call.tap = self.connection.store, self._take

    def finish(self) -> None:
        """Send the rest of the response, or an error instead."""
        self.connection.socket.send(self._events.finish() if self._streamed else self._unstreamed())

    def release(self) -> None:
        """Drop the reference to the flow, which would keep it alive for ever."""
        if call := get_call(self.flow):
            call.tap = call.connection_store = None

    def set_answered(self) -> None:
        """Let the client send its next request: the terminal event has been sent, even if the exchange is not over."""
        if not self._answered:
            self._answered = True
            self.connection.socket.busy = False

    def _take(self, piece: bytes) -> None:
        """Send the events that a piece of the stream completes."""
        self._streamed = True
        self.connection.socket.send(self._events.feed(piece))
        stream = self.flow.response and self.flow.response.stream
        if isinstance(stream, StreamFunction) and stream.answer.status is not None:
            self.set_answered()

    def _unstreamed(self) -> bytes:
        """Return the frames for a response that is not a stream: an error, or one made by another addon."""
        response = self.flow.response
        if response is None:
            reason = self.flow.error.msg if self.flow.error else "no answer came"
            return text_frame(error_message(ApiError(502, f"the request failed: {reason}")))
        content = response.content or b""
        if response.status_code == 200 and "event-stream" in response.headers.get("content-type", ""):
            return self._events.feed(content) + self._events.finish()
        return text_frame(response_message(response.status_code, content, response.headers))


def _request(flow: http.HTTPFlow, body: dict[str, Any]) -> http.HTTPFlow:
    """Return a flow with the request in a message, based on the flow that opened its WebSocket."""
    made = copy_request(flow, flow.request.path, dumps({**body, "stream": True}))
    if admission := get_admission(made):
        admission.derived = False  # each message counts as a request
    made.request.method, headers = "POST", made.request.headers
    for name in {name.lower() for name in headers}:
        if name in _ABOUT_SOCKET or name.startswith("sec-websocket-"):
            del headers[name]
    if _SOCKET_BETA in headers.get(_BETA, ""):
        del headers[_BETA]
    headers["content-type"], headers["accept"] = "application/json", "text/event-stream"
    return made
