"""Restarts an OpenCode 2 server that was started before the proxy of `run`, because its requests would bypass it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from codex_transform.cli import prompts
from codex_transform.launcher.opencode_server import Service, ServiceError
from codex_transform.opencode.server import Server


class PastProxyError(click.ClickException):
    """The command was not run, because its requests would bypass the proxy."""

    exit_code = 2


def require_consent(service: Service, server: Server, *, agreed: bool) -> None:
    """Explain why a server must be restarted, and ask for consent unless `agreed`.

    Raises PastProxyError if the user declines or there is no terminal to ask on.
    """
    explanation = (
        f"OpenCode 2 has a server already (process {server.pid}), which makes the requests of all terminals. They would"
        " bypass this proxy and use your own key. After a restart they go through this proxy until the command ends;"
        " sessions are kept, but an answer in progress is cut off."
    )
    if agreed:
        click.echo(f"codex-transform: {explanation}", err=True)
        return
    if not prompts.is_interactive():
        program = os.path.basename(service.program)  # noqa: PTH119 - as it is typed
        raise PastProxyError(
            f"{explanation}\nAgree to a restart with --restart-server, or stop it with `{program} service stop`."
        )
    click.echo(explanation, err=True)
    if not click.confirm("Restart it?", default=True, err=True):
        raise PastProxyError("Nothing was started.")


@contextmanager
def behind_proxy(service: Service, before: Server | None, environ: Mapping[str, str]) -> Iterator[None]:
    """Run the server with `environ` until the block is left; then restore its environment, or stop it.

    `before` is the server that is running, which is restarted; None if there is none, so that the command starts it and
    it is stopped in the end. Raises ClickException if the server does not get that environment.
    """
    try:
        if before:
            _restart(service, environ)
        yield
    finally:
        try:
            if before:
                service.restart(before.environ if before.is_whole else os.environ)
            elif (now := service.running()) and (not now.is_whole or now.https_proxy == _proxy(environ)):
                service.stop()  # it would keep using a proxy that has ended
        except ServiceError as error:
            message = f"codex-transform: OpenCode's server could not be restored ({error}): restart it yourself."
            click.secho(message, fg="red", err=True)


def _restart(service: Service, environ: Mapping[str, str]) -> None:
    try:
        service.restart(environ)
    except ServiceError as error:
        raise click.ClickException(f"OpenCode's server could not be restarted: {error}.") from None
    now = service.running()
    if now and now.is_whole and now.https_proxy != _proxy(environ):
        raise PastProxyError(
            "OpenCode's server was restarted, but still bypasses this proxy: its settings contain another HTTPS_PROXY,"
            " which `opencode2 service get` shows."
        )


def _proxy(environ: Mapping[str, str]) -> str:
    return environ.get("https_proxy") or environ.get("HTTPS_PROXY") or ""
