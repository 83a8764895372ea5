"""What a running proxy says of itself, and how a command finds it."""
