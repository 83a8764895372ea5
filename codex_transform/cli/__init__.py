"""`codex-transform`: the command line. Each command is in a module that is imported only when the command is used."""

import os
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from codex_transform import __version__
from codex_transform.console import make_lenient
from codex_transform.paths import MissingFolderError

# Command: its module, and its line in `--help`, so that the list can be shown without importing any of them.
_COMMANDS = {
    "login": ("login", "Ask for your endpoint and its key, try them, save them."),
    "logout": ("login", "Remove the saved keys."),
    "whoami": ("login", "Show which endpoint and key are in use."),
    "run": ("run", "Run a command, such as opencode, behind the proxy."),
    "start": ("start", "Run the proxy in the foreground."),
    "status": ("status", "Show the running proxies: endpoints, limits, where calls went."),
    "doctor": ("doctor", "Check everything and say what to fix."),
    "config": ("config", "Write OpenCode's configuration."),
    "models": ("models", "List the models with their efforts."),
    "clients": ("clients", "Give people keys of their own for this proxy, with limits."),
    "usage": ("usage", "Show the tokens used, by day and by model."),
    "addon-path": ("addon_path", "Print the path of the addon, for mitmdump -s."),
    "completion": ("completion", "Print the script that makes a shell complete these commands."),
}


class LazyGroup(click.Group):
    """The commands, each imported when it is needed."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; a missing folder is reported by a message without a traceback."""
        try:
            return super().invoke(ctx)
        except MissingFolderError as error:
            raise click.ClickException(str(error)) from None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"{__name__}.{_COMMANDS[cmd_name][0]}")
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in _COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        named = [(name, about) for name, (_, about) in _COMMANDS.items() if name.startswith(incomplete)]
        return [CompletionItem(name, help=about) for name, about in named]


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="The shortest way: `codex-transform run opencode`. Each command has a --help of its own, with examples.",
)
@click.version_option(__version__, prog_name="codex-transform")
@click.pass_context
def main(ctx: click.Context) -> None:
    """OpenCode on any Codex endpoint, with an API key."""
    make_lenient()
    # See https://no-color.org. Without a terminal click itself omits colours.
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        ctx.color = False
