"""Lets OpenCode work on a third-party Codex endpoint: a mitmproxy addon."""

__version__ = "0.1.0"
