"""What the tests share: servers to talk to, programs to start, ways to wait."""
