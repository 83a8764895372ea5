"""Starts the proxy for real use: `python3 scripts/start.py` makes the environment, then is `codex-transform start`."""

from __future__ import annotations

import sys

import environment

if __name__ == "__main__":
    environment.enter()
    from codex_transform.cli import main

    main(["start", *sys.argv[1:]], prog_name="codex-transform")
