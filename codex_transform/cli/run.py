"""`run`: runs a command behind its own proxy, which ends with the command."""

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
    with loading() as process:
        # What reads the settings is imported while the process imports mitmproxy.
        from codex_transform.cli import behind_proxy

        sys.exit(behind_proxy.run(command, process, web=web, restart_server=restart_server))
