"""The endpoint: its URL, the header fields that go either way, and which hosts are intercepted."""
