"""`completion`: prints the script that makes a shell complete these commands, as provided by click."""

import click
from click.shell_completion import get_completion_class

_NAME = "codex-transform"


@click.command(
    epilog="""\b
Add the line for your shell to its settings file:
  bash  ~/.bashrc                    eval "$(codex-transform completion bash)"
  zsh   ~/.zshrc                     eval "$(codex-transform completion zsh)"
  fish  ~/.config/fish/config.fish   codex-transform completion fish | source
"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that makes a shell complete these commands."""
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, _NAME, "_CODEX_TRANSFORM_COMPLETE").source())
