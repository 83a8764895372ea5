"""Subclasses of mitmproxy's protocol layers, for what no hook can do."""
