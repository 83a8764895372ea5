"""The endpoint: its URL, the header fields that it gets, and which hosts are intercepted."""
