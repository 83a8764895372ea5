"""A command behind a proxy of its own: the proxy's process, its port and log, the command's environment and signals."""
