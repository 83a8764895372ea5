"""Lets OpenCode work on a third-party Codex endpoint: a mitmproxy addon that rewrites requests and answers in flight."""

__version__ = "0.1.0"
