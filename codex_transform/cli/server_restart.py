"""What `run` does about a server of OpenCode 2 that was started before the proxy: it would send requests past it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from codex_transform.cli import prompts
from codex_transform.launcher.opencode_server import Service, ServiceError
from codex_transform.opencode.server import Server


class PastProxyError(click.ClickException):
    """The command would have no effect, since its requests would go past the proxy."""

    exit_code = 2


def require_consent(service: Service, server: Server, *, agreed: bool) -> None:
    """Say what is the matter with a server, and ask whether to restart it unless that is agreed to.

    Raises PastProxyError where the answer is no, or nobody can be asked.
    """
    said = (
        f"OpenCode 2 has a server already (process {server.pid}), which makes the requests of all terminals, and would"
        " send them past this proxy, with your own key. A restart leads it through this proxy until the command ends;"
        " sessions stay, but an answer under way is cut off."
    )
    if agreed:
        click.echo(f"codex-transform: {said}", err=True)
        return
    if not prompts.is_interactive():
        program = os.path.basename(service.program)  # noqa: PTH119 - as it is typed
        raise PastProxyError(f"{said}\nAgree to it with --restart-server, or end it with `{program} service stop`.")
    click.echo(said, err=True)
    if not click.confirm("Restart it?", default=True, err=True):
        raise PastProxyError("Nothing was started.")


@contextmanager
def behind_proxy(service: Service, before: Server | None, environ: Mapping[str, str]) -> Iterator[None]:
    """While this lasts the server has `environ`; then it is as it was: with its own, or gone if there was none.

    `before` is the server that is restarted, None if there is none yet: then the command itself starts it. Raises
    ClickException where it does not come to have that environment.
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
                service.stop()  # it would go on looking for a proxy that is no longer there
        except ServiceError as error:
            message = f"codex-transform: OpenCode's server is not as it was ({error}): restart it yourself."
            click.secho(message, fg="red", err=True)


def _restart(service: Service, environ: Mapping[str, str]) -> None:
    try:
        service.restart(environ)
    except ServiceError as error:
        raise click.ClickException(f"OpenCode's server could not be restarted: {error}.") from None
    now = service.running()
    if now and now.is_whole and now.https_proxy != _proxy(environ):
        raise PastProxyError(
            "OpenCode's server was restarted, and does not go through this proxy all the same: its settings give it"
            " another HTTPS_PROXY, which `opencode2 service get` shows."
        )


def _proxy(environ: Mapping[str, str]) -> str:
    return environ.get("https_proxy") or environ.get("HTTPS_PROXY") or ""
