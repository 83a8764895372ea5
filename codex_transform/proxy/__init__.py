"""The addon itself: the only package that imports mitmproxy."""
