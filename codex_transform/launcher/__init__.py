"""Runs a command behind its own proxy: the proxy's process, port and log; the command's environment and signals."""
