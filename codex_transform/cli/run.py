"""`run`: a command behind a proxy of its own."""

import sys

import click

from codex_transform.launcher.loading import loading


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
@click.option("--web", is_flag=True, help="Look at requests and answers in the browser, with mitmweb.")
@click.option("--restart-server", is_flag=True, help="Restart a server of OpenCode 2 that would go past the proxy.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(web: bool, restart_server: bool, command: tuple[str, ...]) -> None:
    """Run a command, such as opencode, behind the proxy.

    The proxy listens on a free port of this machine, and the command finds it through variables that are set for it
    alone: HTTPS_PROXY, and those that name the proxy's certificate. The terminal, signals and the exit status are the
    command's. The proxy ends with it; what it said is in ~/.opencode/logs. A command that sent no request through the
    proxy is told so. OpenCode 2 has a server in the background, which keeps the proxy that it was started with: one
    that runs already is restarted for the command, if you agree.
    """
    with loading() as process:
        # What reads the settings is imported while the process imports mitmproxy.
        from codex_transform.cli import behind_proxy

        sys.exit(behind_proxy.run(command, process, web=web, restart_server=restart_server))
