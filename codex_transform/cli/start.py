"""`start`: runs the proxy in the foreground, and prints what to paste into the terminal of OpenCode."""

import json
from pathlib import Path

import click

from codex_transform import paths
from codex_transform.cli import prompts
from codex_transform.endpoint import url as endpoint_url
from codex_transform.launcher import ports
from codex_transform.people import register
from codex_transform.settings.loader import LoadedSettings
from codex_transform.settings.mitmproxy_arguments import set_options
from codex_transform.shells import TITLES, assignment


class _Command(click.Command):
    """A command whose unknown options may be mitmproxy's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments. Raises click.UsageError."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            similar = f" Did you mean {' or '.join(sorted(error.possibilities))}?" if error.possibilities else ""
            hint = "Put options of mitmproxy after `--`: codex-transform start -- --mode reverse:URL"
            raise click.UsageError(f"No such option {error.option_name}.{similar} {hint}", ctx) from error


@click.command(
    cls=_Command,
    context_settings={"allow_interspersed_args": True},
    epilog="""\b
Examples:
  codex-transform start
  codex-transform start --web
  codex-transform start --port 8090
  codex-transform start -- --mode reverse:https://your-codex-api.com
""",
)
@click.option("--web", is_flag=True, help="Show requests and responses in the browser, with mitmweb.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Where the proxy listens; 0 for any free port.",
)
@click.argument("mitmproxy", nargs=-1, type=click.UNPROCESSED, metavar="[-- MITMPROXY'S OPTIONS]")
def start(web: bool, port: int, mitmproxy: tuple[str, ...]) -> None:
    """Run the proxy in the foreground, until Ctrl-C.

    Asks for your endpoint and its key the first time, and shows what to paste into the terminal of OpenCode.
    """
    from codex_transform.proxy import embed

    if {"-p", "--listen-port"} & {*mitmproxy}:
        raise click.UsageError("Use --port before the `--` to set the proxy's port.")
    port = ports.require_free_port(port)
    options = set_options(mitmproxy)
    loaded = prompts.require_settings(options)
    print_destination(loaded)
    key = _ANY_KEY
    if loaded.settings.clients and register.load(paths.clients_file(paths.home())).defined:
        click.echo("  each client needs a key from `codex-transform clients` instead of an OpenAI key")
        key = _CLIENTS_KEY
    elif loaded.settings.forward_client_key:
        key = _ENDPOINTS_KEY
    if any("reverse:" in argument for argument in mitmproxy):
        click.echo(how_to_use_reversed(port))
    else:
        click.echo(usage_text(port, Path(options.get("confdir", "~/.mitmproxy")).expanduser()))
    click.echo(f"{key}\n\nCtrl-C here stops the proxy.\n")
    listen = ["--listen-host", "127.0.0.1", "--listen-port", str(port)]
    # The addon prints one line per call; mitmproxy's own two would surround it.
    quiet = [] if web or "flow_detail" in options else ["--set", "flow_detail=0"]
    embed.serve("mitmweb" if web else "mitmdump", ["-s", str(paths.addon()), *listen, *quiet, *mitmproxy])


def print_destination(loaded: LoadedSettings) -> None:
    """Print the endpoint, and the sources of its base URL and key."""
    click.echo(f"Requests go to {endpoint_url.parse(str(loaded.settings.base_url)).url}")
    click.echo(f"  base URL: {loaded.sources['base_url']}")
    key = "the client's own" if loaded.settings.forward_client_key else loaded.sources["api_key"]
    click.echo(f"  API key: {key}")


def usage_text(port: int, confdir: Path) -> str:
    """Return the commands that prepare a terminal for OpenCode, for each kind of shell."""
    proxy, ca = f"http://127.0.0.1:{port}", str(confdir / "mitmproxy-ca-cert.pem")
    lines = (
        f"{title}\n{assignment(shell, 'HTTPS_PROXY', proxy)}\n{assignment(shell, 'NODE_EXTRA_CA_CERTS', ca)}\n"
        for shell, title in TITLES.items()
    )
    each = "\n".join(lines)
    return f"""
In the terminal where you start OpenCode, paste the two lines for your shell:

{each}"""


def how_to_use_reversed(port: int) -> str:
    """Return the configuration for reverse mode, where the proxy is OpenCode's base URL."""
    options = {"provider": {"openai": {"options": {"baseURL": f"http://127.0.0.1:{port}/v1"}}}}
    return f"""
In your opencode.json:

{json.dumps(options)}
"""


_ANY_KEY = """\
Then start `opencode`. It needs an OpenAI key, which is never sent to anyone:
OPENAI_API_KEY=dummy will do."""
_CLIENTS_KEY = "Then start `opencode` with a key from `codex-transform clients` as its OPENAI_API_KEY."
_ENDPOINTS_KEY = "Then start `opencode` with your endpoint's key as its OPENAI_API_KEY."
