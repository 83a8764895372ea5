"""Subclasses of mitmproxy's protocol layers: what no hook can do."""
