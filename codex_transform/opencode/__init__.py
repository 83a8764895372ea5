"""OpenCode's own configuration: its files, its content, and changes to it."""
