"""What `run` does: a command behind a proxy of its own, which lives as long as the command does."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
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


def run(
    command: Sequence[str], process: subprocess.Popen[bytes], *, web: bool = False, restart_server: bool = False
) -> int:
    """Return the exit status of `command`.

    `process` becomes the proxy, which is mitmweb with `web`; where none is needed it stays unused. `restart_server`
    agrees to what the user is asked for otherwise. Raises ClickException for what keeps the command from running.
    """
    settings = prompts.require_settings().settings
    service = opencode_server.service_of(command, os.environ)
    server = service.running() if service else None
    if service and server:
        if not web and (ours := _leads_to_ours(server)):
            # The command is only a front end of that server: another proxy would get no requests.
            click.echo(f"codex-transform: OpenCode's server already goes through the proxy at {ours}.", err=True)
            process.kill()
            return foreground.run(command, os.environ)
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
        proxy_process.running(
            certificate, host, arguments, process=process, web=web, drain_timeout=settings.drain_timeout
        ) as proxy,
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
    return status


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
