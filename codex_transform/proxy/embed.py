"""Runs mitmproxy's own programs in this process.

As a program it does so for `codex-transform run`: it imports mitmproxy, and then the first line of its standard input
is a JSON list, the program's name and its arguments, which so are in no list of processes; and when that input ends,
for whatever reason its owner has gone, it ends too.
"""

# ruff: noqa: E402
import gc

# What is imported stays: to look through it for garbage again and again takes a tenth of the time of a start.
gc.disable()

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from mitmproxy.addons import clientplayback
from mitmproxy.proxy import server
from mitmproxy.tools import main

from codex_transform.console import make_lenient
from codex_transform.proxy.addons.drain import longest_end
from codex_transform.proxy.certificate_authority import authority_options, create_authority

# How long mitmproxy may take to close its connections, in seconds.
_CLOSE_TIMEOUT = 3.0


def serve(name: str, arguments: Sequence[str]) -> None:
    """Run `mitmdump` or `mitmweb` until it is told to end. Raises SystemExit for arguments that it cannot use.

    A client opens dozens of connections for a few calls, and calls in the background or of a WebSocket have their own:
    unless `-v` asks for all there is to know, only what goes wrong with them is told.
    """
    if not {"-v", "--verbose"} & {*arguments}:
        for module in (server, clientplayback):
            logging.getLogger(module.__name__).setLevel(logging.WARNING)
    make_lenient()  # mitmproxy logs before it loads the addon
    create_authority(*authority_options(arguments))
    gc.freeze()
    gc.enable()
    program: Any = getattr(main, name)
    program(arguments)


def _exit_with_parent() -> None:
    # Not by sys.stdin: Python could not end while a thread waits in there.
    while os.read(0, 1024):
        pass
    # On Windows os.kill would end the process at once, and mitmproxy's `done` would never run.
    signal.raise_signal(signal.SIGTERM)
    time.sleep(_CLOSE_TIMEOUT)
    time.sleep(longest_end())
    os._exit(1)


if __name__ == "__main__":
    line = sys.stdin.buffer.readline()
    if not line:  # its owner had no use for it
        sys.exit()
    name, *arguments = json.loads(line)
    # A daemon: where mitmproxy ends in time, nobody waits for it.
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    serve(name, arguments)
