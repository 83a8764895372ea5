"""Starts the proxy: `python3 scripts/start.py` sets up the environment, then does what `codex-transform start` does."""

from __future__ import annotations

import sys

import environment

if __name__ == "__main__":
    environment.enter()
    from codex_transform.cli import main

    main(["start", *sys.argv[1:]], prog_name="codex-transform")
