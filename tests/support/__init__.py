"""Shared by the tests: servers to talk to, programs to start, ways to wait."""
