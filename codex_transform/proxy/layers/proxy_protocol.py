"""The layer below all others on a connection of a trusted proxy: takes the PROXY header off, if there is one."""

import logging

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context

from codex_transform.proxy import proxy_header
from codex_transform.proxy.client_address import set_connection_client

logger = logging.getLogger(__name__)


class AfterProxyHeader(layer.NextLayer):
    """What is to be decided once the header has been read."""


class ProxyProtocolLayer(layer.Layer):
    """Reads the header, and hands what follows to whatever layer it is for."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        # As mitmproxy's NextLayer does: what is to follow is decided by the layers that there are.
        context.layers.remove(self)
        self.child_layer = AfterProxyHeader(context)
        self._received = b""
        self._refused = False

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        client = self.context.client
        if isinstance(event, events.Start):
            yield from self.child_layer.handle_event(event)
        elif isinstance(event, events.ConnectionClosed):
            yield commands.CloseConnection(client)
        elif isinstance(event, events.DataReceived) and not self._refused:
            self._received += event.data
            try:
                header = proxy_header.parse(self._received)
            except ValueError as error:
                logger.warning(
                    "closed a connection of the trusted proxy at %s: its PROXY header cannot be read: %s. Fix: make it "
                    "send version 1 or 2, or name only such proxies in codex_trusted_proxies",
                    client.peername[0],
                    error,
                )
                self._refused = True
                yield commands.CloseConnection(client)
                return
            if header is None:
                return
            if header.size:
                set_connection_client(client, header.source)
            self._handle_event = self.child_layer.handle_event  # type: ignore[method-assign]
            if rest := self._received[header.size :]:
                yield from self.child_layer.handle_event(events.DataReceived(client, rest))
