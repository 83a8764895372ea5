"""The Responses API over a WebSocket (API reference, "WebSocket mode"): handshake, frames, messages."""
