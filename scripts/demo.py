"""Shows what codex-transform does, on this machine alone: `python3 scripts/demo.py`.

The real OpenCode, behind the real proxy, gets a tool call from a sandbox endpoint and writes a file. This needs no key
and no account. It leaves nothing behind but what it has installed in `.venv` and `.cache`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import environment

if TYPE_CHECKING:
    from codex_transform.sandbox import Sandbox

PROMPT = "write hello world to test.txt"
CONTENT = "hello world"
MODEL = "gpt-5.3-codex"

LISTENING = re.compile(r"proxy listening at (127\.0\.0\.1:\d+)")
START_TIMEOUT, RUN_TIMEOUT = 60, 180  # seconds

# Sends the prompt to the model. Takes the proxy's URL, the file with its CA and the project's folder; returns whether
# the model's response was complete.
Client = Callable[[str, Path, Path], bool]


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    environment.enter()
    import processes

    from codex_transform import console

    processes.exit_on_signals()
    console.make_lenient()
    print("What codex-transform does, shown on this machine alone.\nThe endpoint is a sandbox, without a model.\n")
    name, client = find_client()
    with tempfile.TemporaryDirectory(prefix="codex-transform-demo-", ignore_cleanup_errors=True) as folder:
        succeeded = show(name, client, Path(folder).resolve())
    if not succeeded:
        sys.exit(1)
    print(NEXT_STEPS)


def find_client() -> tuple[str, Client]:
    """Return a client and its description: the user's own OpenCode, one installed through npm, or a plain client."""
    import programs

    if on_path := programs.opencode_on_path():
        path, version = on_path
        return f"OpenCode {version}, {path}", opencode(path)
    if program := programs.install_opencode(programs.OPENCODE):
        return f"OpenCode {programs.OPENCODE}, installed in .cache through npm", opencode(program)
    reason = "npm could not install it" if shutil.which("npm") else "there is no npm to install it"
    print(f"OpenCode is not on the PATH, and {reason}, so a plain Python client replaces it.\n")
    return "a plain Python client", plain_client


def opencode(program: Path) -> Client:
    """Return a client that runs OpenCode."""
    import processes

    def run(proxy: str, ca: Path, project: Path) -> bool:
        environ = processes.isolated_environ(
            project.parent / "client",
            PWD=str(project),
            HTTPS_PROXY=proxy,
            NODE_EXTRA_CA_CERTS=str(ca),
            OPENAI_API_KEY="dummy",
            # For versions that do not know this model.
            OPENCODE_CONFIG_CONTENT=f'{{"provider": {{"openai": {{"models": {{"{MODEL}": {{}}}}}}}}}}',
            OPENCODE_DISABLE_AUTOUPDATE="1",
            OPENCODE_DISABLE_LSP_DOWNLOAD="1",
        )
        command = [str(program), "run", "-m", f"openai/{MODEL}", PROMPT]
        status = processes.run_and_print(command, environ, project, RUN_TIMEOUT)
        if status is None:
            print(f"OpenCode did not finish within {RUN_TIMEOUT} seconds.")
        return status == 0

    return run


def plain_client(proxy: str, ca: Path, project: Path) -> bool:
    """Send the prompt without OpenCode; see `Client`."""
    import demo_client

    return demo_client.converse(proxy, ca, project, MODEL, PROMPT)


def show(description: str, client: Client, folder: Path) -> bool:
    """Run the demo in a temporary folder and print what happened; return whether everything worked."""
    import demo_table

    from codex_transform import sandbox

    project = folder / "project"
    project.mkdir()
    home = folder / "proxy"
    with sandbox.running() as endpoint:
        with proxy(home, endpoint) as url:
            print(f"endpoint  {endpoint.url}/backend-api/codex/responses\nproxy     {url}, mitmdump with addon.py")
            print(f"client    {description}\nprompt    {PROMPT}\n", flush=True)
            answered = client(url, ca_file(home), project)
        # The proxy has ended, so its logs are complete.
        calls = demo_table.read_calls(home / ".opencode" / "logs" / "codex-plugin", endpoint.requests)
    file = project / "test.txt"
    content = file.read_text("utf-8").strip() if file.is_file() else None
    print(f"\n{file.name}  {content or 'was not written'}\n")
    if not (answered and content == CONTENT and any(call.has_tools for call in calls)):
        print(f"That did not work. The output of the proxy:\n\n{(home / 'log').read_text('utf-8', 'replace')}")
        return False
    titles = demo_table.Row("", "The client sent", "The endpoint got")
    width = min(shutil.get_terminal_size().columns, 120)
    print(demo_table.render(demo_table.rows(calls, endpoint.url), titles, width))
    print(f"\n{demo_table.summarize_responses(calls)}")
    return True


@contextmanager
def proxy(home: Path, endpoint: Sandbox) -> Iterator[str]:
    """Yield the URL of a real mitmdump with the addon, on a free port, with all its files in `home`."""
    import processes

    environ = processes.isolated_environ(
        home,
        CODEX_BASE_URL=endpoint.url,
        CODEX_API_KEY=endpoint.key,
        # Nothing listens there: the demo needs no network, and the model gets the bundled instructions.
        CODEX_CATALOG_URL="http://127.0.0.1:9/none",
        ENABLE_PLUGIN_REQUEST_LOGGING="1",
        PYTHONUNBUFFERED="1",
    )
    log = home / "log"
    command = [environment.program("mitmdump"), "-s", str(environment.ROOT / "addon.py")]
    command += ["--listen-host", "127.0.0.1", "--listen-port", "0"]
    with log.open("wb") as output, processes.running(command, environ, home, output) as process:
        yield f"http://{wait_until_listening(process, log)}"


def ca_file(home: Path) -> Path:
    """Return the file with the CA certificate that clients must trust."""
    return home / ".mitmproxy" / "mitmproxy-ca-cert.pem"


def is_complete(certificate: Path) -> bool:
    """Return whether mitmproxy has written all of the file; a new proxy does so a moment after it listens."""
    return certificate.is_file() and b"END CERTIFICATE" in certificate.read_bytes()


def wait_until_listening(mitmdump: subprocess.Popen[bytes], log: Path) -> str:
    """Return the proxy's address, as HOST:PORT, once it can be used. Exits with its output if it does not start."""
    deadline = time.monotonic() + START_TIMEOUT
    output = ""
    # It listens for a moment even if the addon cannot be loaded.
    while mitmdump.poll() is None and "error in script" not in output and time.monotonic() < deadline:
        if (match := LISTENING.search(output)) and is_complete(ca_file(log.parent)):
            return match[1]
        time.sleep(0.05)
        output = log.read_text("utf-8", "replace")
    sys.exit(f"The proxy did not start. Its output:\n\n{output}")


NEXT_STEPS = """
To use your own endpoint:

  python3 scripts/start.py

It asks for the base URL and the key, starts the proxy, and prints what to set
in the terminal in which you start OpenCode: HTTPS_PROXY, the proxy's address;
NODE_EXTRA_CA_CERTS, the CA certificate of the proxy; and any OPENAI_API_KEY.
All programs of this demo have ended, and its files are deleted."""


if __name__ == "__main__":
    main()
