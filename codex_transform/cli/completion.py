"""`completion`: what makes a shell complete these commands, out of click's own support for it."""

import click
from click.shell_completion import get_completion_class

_NAME = "codex-transform"


@click.command(
    epilog="""\b
Put the line for your shell where it reads its settings:
  bash  ~/.bashrc                    eval "$(codex-transform completion bash)"
  zsh   ~/.zshrc                     eval "$(codex-transform completion zsh)"
  fish  ~/.config/fish/config.fish   codex-transform completion fish | source
"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes a shell complete these commands."""
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, _NAME, "_CODEX_TRANSFORM_COMPLETE").source())
