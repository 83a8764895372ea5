"""Everything that replaces or reaches into mitmproxy."""
