"""`run`: runs a command behind its own proxy, which ends with the command."""

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

from codex_transform import paths
from codex_transform.cli import prompts, server_restart
from codex_transform.doctor.opencode_server import our_proxy
from codex_transform.launcher import bypass, ca_bundle, child_env, foreground, opencode_server, proxy_process
from codex_transform.launcher.proxy_process import ProxyProcess
from codex_transform.opencode import config as opencode_config
from codex_transform.opencode.server import Server
from codex_transform.settings.options import Settings

_ADDONS = Path(__file__).resolve().parent.parent / "proxy" / "addons"
_CLIENT_COUNT, _UPSTREAM = _ADDONS / "client_count.py", _ADDONS / "upstream_bypass.py"


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog="""\b
Examples:
  codex-transform run opencode
  codex-transform run opencode run -m openai/gpt-5.3-codex "say hello"
  codex-transform run --web opencode
  codex-transform run --restart-server opencode2
  codex-transform run -- sh -c 'echo $HTTPS_PROXY'
""",
)
@click.option("--web", is_flag=True, help="Show requests and responses in the browser, with mitmweb.")
@click.option("--restart-server", is_flag=True, help="Restart an OpenCode 2 server that would bypass the proxy.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(web: bool, restart_server: bool, command: tuple[str, ...]) -> None:
    """Run a command, such as opencode, behind the proxy.

    The proxy listens on a free port of this machine. The command finds it through variables that are set for it only:
    HTTPS_PROXY, and those that name the proxy's certificate. The command gets the terminal and all signals, and its
    exit status is returned. The proxy ends with the command; its log is in ~/.opencode/logs. You are told if no request
    came through it. OpenCode 2 has a background server, which keeps using the proxy that it was started with: one that
    is already running is restarted for the command, if you agree.
    """
    settings = prompts.require_settings().settings
    service = opencode_server.service_of(command, os.environ)
    server = service.running() if service else None
    if service and server:
        if not web and (ours := _leads_to_ours(server)):
            # The command is only a front end of that server: another proxy would get no requests.
            click.echo(f"codex-transform: OpenCode's server already goes through the proxy at {ours}.", err=True)
            sys.exit(foreground.run(command, os.environ))
        server_restart.require_consent(service, server, agreed=restart_server)
    upstream, notes = child_env.upstream(os.environ)
    bypassing, warnings = child_env.bypassing_variables(os.environ, settings.hosts)
    arguments = ["-s", str(_CLIENT_COUNT)]
    if upstream.arguments:
        arguments += [*upstream.arguments, "-s", str(_UPSTREAM)]
    certificate = paths.ca_certificate(paths.home())
    name, _, port = (child_env.first_public_host(settings.hosts) or "").partition(":")
    host = (name, int(port or 443)) if name else None
    with (
        tempfile.TemporaryDirectory(prefix="codex-transform-", ignore_cleanup_errors=True) as folder,
        proxy_process.running(certificate, host, arguments, web=web, drain_timeout=settings.drain_timeout) as proxy,
    ):
        variables, more = _variables(settings, proxy, Path(folder))
        for note in [*notes, *warnings, *more]:
            click.secho(f"codex-transform: {note}", fg="yellow", err=True)
        if web:
            click.echo(f"codex-transform: look inside at {proxy.web}", err=True)
        removed = {*bypassing, *ca_bundle.REPLACED}
        environ = {name: value for name, value in os.environ.items() if name not in removed} | variables
        if warning := bypass.node_warning(command, environ):
            click.secho(f"codex-transform: {warning}", fg="yellow", err=True)
        with ExitStack() as stack:
            if service:
                stack.enter_context(server_restart.behind_proxy(service, server, environ))
            status = foreground.run(command, environ)
        ended = proxy.has_ended()
    if ended:
        click.secho("codex-transform: the proxy ended before the command did.", fg="red", err=True)
        click.echo(proxy_process.log_tail(proxy.log), err=True)
    elif bypass.may_have_asked(status) and proxy.stayed_unused():
        click.echo(f"codex-transform: {bypass.UNUSED}", err=True)
    sys.exit(status)


def _leads_to_ours(server: Server) -> str:
    client, _ = opencode_config.load(os.environ, paths.cwd(), paths.home())
    return our_proxy(server, client.client_base_url)


def _variables(settings: Settings, proxy: ProxyProcess, folder: Path) -> tuple[dict[str, str], list[str]]:
    """Return the variables that are set for the command only, and the warnings about them."""
    found, notes = child_env.proxy_variables(os.environ, proxy.url, settings.hosts)
    client, _ = opencode_config.load(os.environ, paths.cwd(), paths.home())
    parts = [
        child_env.base_url_override(os.environ, client.client_base_url, settings.hosts),
        ca_bundle.ca_variables(os.environ, proxy.authority, folder),
    ]
    if not settings.forward_client_key:
        parts.append(child_env.dummy_key(os.environ, paths.home()))
    for more, warnings in parts:
        found |= more
        notes += warnings
    return found, notes
