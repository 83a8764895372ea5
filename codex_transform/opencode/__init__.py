"""OpenCode's own configuration: where it lies, what it says, and changing it."""
