"""Addon: limits how long connecting to the endpoint may take, and sets the idle timeout of each call.

The setting `connect_timeout` is for DNS, TCP and TLS together: a timer starts when mitmproxy begins to connect and
stops when the connection is ready. When it runs out, the task that connects is cancelled, which closes its socket.
`idle_timeout` is enforced in `layers/idle_timeout.py`; here a call gets its number of seconds, so that a changed
setting applies from the next request on.
"""

import asyncio
from weakref import WeakKeyDictionary

from mitmproxy import http, tls
from mitmproxy.connection import Connection, Server
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.call import get_call
from codex_transform.response.network_error import connect_timeout_reason

# How often to check whether a waiting connection may start, in seconds.
_POLL_INTERVAL = 0.25


class ConnectTimeout:
    """Cancels connections that take too long."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._timers: dict[Connection, asyncio.Task[None]] = {}
        self._connecting: dict[Server, asyncio.Task[object]] = {}
        self._reasons: WeakKeyDictionary[Connection, str] = WeakKeyDictionary()

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Set the idle timeout of a call."""
        if call := get_call(flow):
            call.idle_timeout = self.config.settings.idle_timeout

    def server_connect(self, data: ServerConnectionHookData) -> None:
        """Start the timer of a connection, which the current task is about to make."""
        server, connecting = data.server, asyncio.current_task()
        if connecting and server.address and self.config.matches(*server.address[:2]):
            self._connecting[server] = connecting
            self._timers[server] = asyncio.create_task(self._cancel_when_due(server))
            connecting.add_done_callback(lambda _: self._stop(server))

    def server_connected(self, data: ServerConnectionHookData) -> None:
        """Stop the timer, unless TLS has to follow."""
        if not data.server.tls:
            self._stop(data.server)

    def tls_established_server(self, data: tls.TlsData) -> None:
        """Stop the timer: the connection is ready."""
        self._stop(data.conn)

    def tls_failed_server(self, data: tls.TlsData) -> None:
        """Stop the timer; if TLS failed because of it, the connection's error says so."""
        if reason := self._reasons.get(data.conn):
            data.conn.error = reason
        self._stop(data.conn)

    def stop_all(self, reason: str) -> None:
        """Cancel every connection that is being made; `reason` becomes its error."""
        for server in list(self._connecting):
            if server.timestamp_start is not None:
                self._cancel(server, reason)

    def done(self) -> None:
        """Stop the timers when mitmproxy ends or reloads the script."""
        for server in list(self._timers):
            self._stop(server)

    async def _cancel_when_due(self, server: Server) -> None:
        # mitmproxy limits a client's simultaneous connections to a server: the others wait for their turn, for which
        # the endpoint is not to blame.
        while server.timestamp_start is None:  # noqa: ASYNC110 - mitmproxy has no hook for it
            await asyncio.sleep(_POLL_INTERVAL)
        await asyncio.sleep(self.config.settings.connect_timeout)
        host = server.address[0] if server.address else "the endpoint"
        self._cancel(server, connect_timeout_reason(host, self.config.settings.connect_timeout))

    def _cancel(self, server: Server, reason: str) -> None:
        if server not in self._reasons:
            self._reasons[server] = reason
            self._connecting[server].cancel(reason)

    def _stop(self, server: Connection) -> None:
        if isinstance(server, Server):
            self._connecting.pop(server, None)
        if watch := self._timers.pop(server, None):
            watch.cancel()
