"""Shows the main job on this machine alone: `python3 scripts/demo.py`.

The real OpenCode writes a file through a tool call, through the real proxy, on a sandbox endpoint. Needs no key and
no account; leaves nothing running, and nothing behind but what it installed in `.venv` and `.cache`.
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
LONGEST_START, LONGEST_RUN = 60, 180  # seconds

# Puts the prompt to the model through a proxy with this CA, in this project; true if it was answered.
Client = Callable[[str, Path, Path], bool]


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    environment.enter()
    import processes

    from codex_transform import console

    processes.exit_on_signals()
    console.make_lenient()
    print("The main job of codex-transform, all on this machine.\nThe endpoint is a sandbox: no model answers.\n")
    name, client = find_client()
    with tempfile.TemporaryDirectory(prefix="codex-transform-demo-", ignore_cleanup_errors=True) as folder:
        succeeded = show(name, client, Path(folder).resolve())
    if not succeeded:
        sys.exit(1)
    print(NEXT)


def find_client() -> tuple[str, Client]:
    """The user's own OpenCode, one through npm, or a plain client; with what to call it."""
    import programs

    if own := programs.opencode_on_path():
        path, version = own
        return f"OpenCode {version}, {path}", opencode(path)
    if program := programs.install_opencode(programs.OPENCODE):
        return f"OpenCode {programs.OPENCODE}, in .cache, through npm", opencode(program)
    why = "npm could not get it" if shutil.which("npm") else "there is no npm to get it"
    print(f"OpenCode is not on the PATH, and {why}: a plain Python client takes its place.\n")
    return "a plain Python client", plain_client


def opencode(program: Path) -> Client:
    """OpenCode as the client."""
    import processes

    def run(proxy: str, ca: Path, project: Path) -> bool:
        environ = processes.isolated_environ(
            project.parent / "client",
            PWD=str(project),
            HTTPS_PROXY=proxy,
            NODE_EXTRA_CA_CERTS=str(ca),
            OPENAI_API_KEY="dummy",
            # For versions that do not know the model by themselves.
            OPENCODE_CONFIG_CONTENT=f'{{"provider": {{"openai": {{"models": {{"{MODEL}": {{}}}}}}}}}}',
            OPENCODE_DISABLE_AUTOUPDATE="1",
            OPENCODE_DISABLE_LSP_DOWNLOAD="1",
        )
        command = [str(program), "run", "-m", f"openai/{MODEL}", PROMPT]
        status = processes.run_and_print(command, environ, project, LONGEST_RUN)
        if status is None:
            print(f"OpenCode was not ready after {LONGEST_RUN} seconds.")
        return status == 0

    return run


def plain_client(proxy: str, ca: Path, project: Path) -> bool:
    """The client where there is no OpenCode."""
    import demo_client

    return demo_client.converse(proxy, ca, project, MODEL, PROMPT)


def show(name: str, client: Client, folder: Path) -> bool:
    """Runs it all in a folder that may be thrown away, and says what happened; true if all went well."""
    import demo_table

    from codex_transform import sandbox

    project = folder / "project"
    project.mkdir()
    home = folder / "proxy"
    with sandbox.running() as endpoint:
        with proxy(home, endpoint) as address:
            print(f"endpoint  {endpoint.url}/backend-api/codex/responses\nproxy     {address}, mitmdump with addon.py")
            print(f"client    {name}\nprompt    {PROMPT}\n", flush=True)
            answered = client(address, certificate(home), project)
        # The proxy has ended, so its logs are complete.
        made = demo_table.calls(home / ".opencode" / "logs" / "codex-plugin", endpoint.requests)
    file = project / "test.txt"
    written = file.read_text("utf-8").strip() if file.is_file() else None
    print(f"\n{file.name}  {written or 'was not written'}\n")
    if not (answered and written == CONTENT and any(call.with_tools for call in made)):
        print(f"That did not work. What the proxy said:\n\n{(home / 'log').read_text('utf-8', 'replace')}")
        return False
    titles = demo_table.Row("", "The client sent", "The endpoint got")
    width = min(shutil.get_terminal_size().columns, 120)
    print(demo_table.render(demo_table.rows(made, endpoint.url), titles, width))
    print(f"\n{demo_table.answers(made)}")
    return True


@contextmanager
def proxy(home: Path, endpoint: Sandbox) -> Iterator[str]:
    """The real mitmdump with the addon, on a free port; gives its URL. All it writes is below `home`."""
    import processes

    environ = processes.isolated_environ(
        home,
        CODEX_BASE_URL=endpoint.url,
        CODEX_API_KEY=endpoint.key,
        # Nobody answers there: the demo needs no network, the model gets the bundled instructions.
        CODEX_CATALOG_URL="http://127.0.0.1:9/none",
        ENABLE_PLUGIN_REQUEST_LOGGING="1",
        PYTHONUNBUFFERED="1",
    )
    log = home / "log"
    command = [environment.program("mitmdump"), "-s", str(environment.ROOT / "addon.py")]
    command += ["--listen-host", "127.0.0.1", "--listen-port", "0"]
    with log.open("wb") as output, processes.running(command, environ, home, output) as process:
        yield f"http://{listening(process, log)}"


def certificate(home: Path) -> Path:
    """What clients must trust. A new proxy makes it a moment after it listens."""
    return home / ".mitmproxy" / "mitmproxy-ca-cert.pem"


def is_whole(certificate: Path) -> bool:
    """True once mitmproxy has written all of it."""
    return certificate.is_file() and b"END CERTIFICATE" in certificate.read_bytes()


def listening(mitmdump: subprocess.Popen[bytes], log: Path) -> str:
    """The address that it listens at, once it does; ends the demo if it does not."""
    deadline = time.monotonic() + LONGEST_START
    said = ""
    # It listens for a moment even when the addon could not be loaded.
    while mitmdump.poll() is None and "error in script" not in said and time.monotonic() < deadline:
        if (found := LISTENING.search(said)) and is_whole(certificate(log.parent)):
            return found[1]
        time.sleep(0.05)
        said = log.read_text("utf-8", "replace")
    sys.exit(f"The proxy did not start. It said:\n\n{said}")


NEXT = """
Next, with an endpoint of your own:

  python3 scripts/start.py

It asks for the base URL and the key, starts the proxy, and prints two lines for
the terminal in which you start OpenCode: HTTPS_PROXY, the proxy's address, and
NODE_EXTRA_CA_CERTS, the certificate that the proxy shows OpenCode.
Nothing of this demo is running any more, and its files are gone."""


if __name__ == "__main__":
    main()
