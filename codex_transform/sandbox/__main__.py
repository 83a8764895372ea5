"""`python -m codex_transform.sandbox`: run the sandbox until Ctrl-C or SIGTERM.

Strategy: the first line on stdout is for programs (`sandbox: URL key KEY`), all that follows is for people.
"""

import argparse
import asyncio
import sys
from contextlib import suppress

from codex_transform.console import make_lenient
from codex_transform.sandbox.control import ABOUT
from codex_transform.sandbox.faults.table import FAULTS, UnknownFaultError
from codex_transform.sandbox.server import Sandbox
from codex_transform.signals import on_termination


def main(arguments: list[str] | None = None) -> int:
    """Run the sandbox and return the exit status: 0 after Ctrl-C or SIGTERM, 2 for an invalid option."""
    make_lenient()
    options = _parser().parse_args(arguments)
    if options.list:
        for name, fault in FAULTS.items():
            print(f"{name:24} {fault.about}" + (f" (N = {fault.at})" if fault.at else ""))
        return 0
    try:
        sandbox = Sandbox(
            host=options.host,
            port=options.port,
            key=options.key,
            models=options.model,
            certfile=options.cert,
            keyfile=options.cert_key,
            delay=options.delay,
            fill_output=options.fill_output,
            misbehave=options.misbehave,
            log=_say,
        )
    except (UnknownFaultError, ValueError, OSError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    try:
        asyncio.run(_serve(sandbox))
    except OSError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    _say("sandbox: ended")
    return 0


async def _serve(sandbox: Sandbox) -> None:
    ended = asyncio.Event()
    on_termination(ended.set)
    async with sandbox:
        _say(f"sandbox: {sandbox.url} key {sandbox.key}")
        _say(
            f"{ABOUT}\n"
            "It believes what it is told: a prompt that begins 'write X to FILE' makes your client write that file.\n"
            f"Base URL: {sandbox.url}/backend-api/codex   what it received: {sandbox.url}/sandbox/requests\n"
            "Ctrl-C ends it."
        )
        await ended.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m codex_transform.sandbox", description=ABOUT)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=0, help="default: any free one")
    parser.add_argument("--key", help="the API key to ask for (default: one made up)")
    parser.add_argument("--model", action="append", metavar="SLUG", help="a model to know (default: the catalogue)")
    parser.add_argument("--cert", metavar="FILE", help="a certificate (PEM): speak TLS")
    parser.add_argument("--cert-key", metavar="FILE", help="its key, if that is in a file of its own")
    parser.add_argument("--delay", type=float, default=0.0, metavar="SECONDS", help="pause after each delta")
    parser.add_argument("--fill-output", action="store_true", help="terminal events repeat the items")
    parser.add_argument("--misbehave", metavar="NAME[@N][+NAME...]", help="apply this fault from the start")
    parser.add_argument("--list", action="store_true", help="list the faults and end")
    return parser


def _say(text: str) -> None:
    # The program that started it may have closed the pipe after the first line.
    with suppress(OSError):
        print(text, flush=True)


def _port(text: str) -> int:
    if text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")


if __name__ == "__main__":
    sys.exit(main())
