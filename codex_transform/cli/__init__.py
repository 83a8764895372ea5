"""`codex-transform`: the command line. Each command has a module of its own, imported when it is called for."""

from importlib import import_module

import click

from codex_transform import __version__

# Command, the module that holds it, and what `--help` says, so that showing the list imports none of them.
_COMMANDS = {
    "login": ("login", "Ask for your endpoint and its key, try them, keep them."),
    "logout": ("login", "Forget the key."),
    "whoami": ("login", "Show which endpoint and key are in force."),
    "run": ("run", "Run a command, such as opencode, behind the proxy."),
    "start": ("start", "Run the proxy in the foreground."),
    "doctor": ("doctor", "Check everything and say what to mend."),
    "config": ("config", "Write OpenCode's configuration."),
    "models": ("models", "List the models with their efforts."),
    "usage": ("usage", "Show what was used, by day and by model."),
    "addon-path": ("addon_path", "Print where the addon lies, for mitmdump -s."),
}


class _Commands(click.Group):
    """The commands, each imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"{__name__}.{_COMMANDS[cmd_name][0]}")
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command


@click.command(cls=_Commands)
@click.version_option(__version__, prog_name="codex-transform")
def main() -> None:
    """OpenCode on any Codex endpoint, with an API key."""
