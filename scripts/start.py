"""Starts the proxy for real use: `python3 scripts/start.py`. With `--web`, mitmweb instead of mitmdump.

Asks for the base URL and the key of your endpoint the first time and keeps them, then says what to put into the
other terminal. Everything behind `--` goes to mitmproxy.
"""

from __future__ import annotations

import argparse
import getpass
import itertools
import json
import os
import shlex
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import environment

QUESTIONS: dict[str, tuple[str, Callable[[str], str]]] = {
    "base_url": ("Base URL of your Codex endpoint, such as https://your-codex-api.com: ", input),
    "api_key": ("Its API key (stays hidden): ", getpass.getpass),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--web", action="store_true", help="look inside with mitmweb")
    parser.add_argument("--port", type=int, default=8080, help="where the proxy listens (8080); 0 for any free one")
    parser.add_argument("mitmproxy", nargs="*", help="options for mitmproxy, behind --")
    options = parser.parse_args()
    environment.enter()
    port = free(options.port)
    settings = set_options(options.mitmproxy)
    try:
        settle(settings)
    except (EOFError, KeyboardInterrupt):
        sys.exit("\nNothing was kept.")
    if any("reverse:" in argument for argument in options.mitmproxy):
        print(how_to_use_reversed(port), flush=True)
    else:
        print(how_to_use(port, Path(settings.get("confdir", "~/.mitmproxy")).expanduser()), flush=True)
    program = environment.program("mitmweb" if options.web else "mitmdump")
    listen = ["--listen-host", "127.0.0.1", "--listen-port", str(port)]
    environment.become([program, "-s", str(environment.ROOT / "addon.py"), *listen, *options.mitmproxy])


def free(port: int) -> int:
    """The port itself if nobody listens there, a free one for 0; ends the program otherwise."""
    with socket.socket() as probe:
        if os.name != "nt":  # as servers do: connections that ended a moment ago are no hindrance
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            sys.exit(f"Port {port} cannot be used: {error}. Choose another with --port.")
        return int(probe.getsockname()[1])


def set_options(arguments: list[str]) -> dict[str, str]:
    """What `--set name=value` says among mitmproxy's arguments."""
    pairs = [value for flag, value in itertools.pairwise(arguments) if flag == "--set"]
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def settle(options: Mapping[str, str]) -> None:
    """Makes sure that there are a base URL and a key, asking for what is missing, and says what is in force."""
    from codex_transform import endpoint, opencode, settings

    home = Path("~").expanduser()
    file = home / ".opencode" / "openai-codex-auth-config.json"
    client = opencode.load(os.environ, Path.cwd(), home)[0]
    loaded = settings.load(options, os.environ, file, client)
    for problem in loaded.problems:
        print(problem.message, file=sys.stderr)
    missing = [field for field in QUESTIONS if not getattr(loaded.settings, field)]
    if loaded.settings.forward_client_key:
        missing = [field for field in missing if field != "api_key"]
    if missing:
        # A wrong value in the file is replaced by the answer; the other sources go before the file.
        for problem in loaded.problems:
            of_file = problem.source.endswith(f" in {file}")
            if not problem.warning and (problem.setting is None or (problem.setting in missing and not of_file)):
                sys.exit("Mend that first.")
        if not sys.stdin.isatty():
            sys.exit("No endpoint is set: give CODEX_BASE_URL and CODEX_API_KEY, or start this in a terminal.")
        try:
            settings.save(file, {field: ask(field) for field in missing})
        except (OSError, ValueError) as error:
            sys.exit(f"{file} cannot be written: {error}")
        print(f"Kept in {file}, for you alone.\n")
        loaded = settings.load(options, os.environ, file, client)
    print(f"Requests go to {endpoint.parse(str(loaded.settings.base_url)).url}")
    print(f"  base URL: {loaded.sources['base_url']}")
    key = "the client's own" if loaded.settings.forward_client_key else loaded.sources["api_key"]
    print(f"  API key: {key}")


def ask(field: str) -> str:
    """The answer to a question, put again until it will do."""
    from codex_transform import endpoint
    from codex_transform.settings import KNOBS

    knob = next(knob for knob in KNOBS if knob.field == field)
    question, read = QUESTIONS[field]
    while True:
        answer = read(question).strip()
        try:
            knob.read(answer)
        except ValueError as error:
            print(f"  Not usable: {error}.")
            continue
        if field == "base_url":
            print(f"  Requests will go to {endpoint.parse(answer).url}")
        return answer


def how_to_use(port: int, confdir: Path) -> str:
    """What to put into the terminal in which OpenCode will run, for each kind of shell."""
    proxy, ca = f"http://127.0.0.1:{port}", str(confdir / "mitmproxy-ca-cert.pem")
    quoted = shlex.quote(ca)
    return f"""
In the terminal where you start OpenCode, paste the two lines for your shell:

# bash, zsh
export HTTPS_PROXY={proxy}
export NODE_EXTRA_CA_CERTS={quoted}

# fish
set -gx HTTPS_PROXY {proxy}
set -gx NODE_EXTRA_CA_CERTS {quoted}

# PowerShell
$env:HTTPS_PROXY = "{proxy}"
$env:NODE_EXTRA_CA_CERTS = "{ca}"

{THEN}"""


def how_to_use_reversed(port: int) -> str:
    """The same for reverse mode, where OpenCode talks to the proxy itself."""
    options = {"provider": {"openai": {"options": {"baseURL": f"http://127.0.0.1:{port}/v1"}}}}
    return f"""
In your opencode.json:

{json.dumps(options)}

{THEN}"""


THEN = """\
Then start `opencode`. It needs an OpenAI key to begin, which goes nowhere: OPENAI_API_KEY=dummy will do.
Ctrl-C here ends the proxy.
"""

if __name__ == "__main__":
    main()
