"""`addon-path`: prints the path of the addon, for users who start mitmproxy themselves."""

import click

from codex_transform import paths


@click.command(
    epilog="""\b
Examples:
  mitmdump -s "$(codex-transform addon-path)" --listen-host 127.0.0.1
  mitmweb -s (codex-transform addon-path)          # fish
  mitmdump -s $(codex-transform addon-path)        # PowerShell
  for /f "delims=" %A in ('codex-transform addon-path') do mitmdump -s "%A"   & rem cmd.exe
"""
)
def addon_path() -> None:
    """Print the path of the addon, for mitmdump -s.

    mitmdump must be the one that was installed with this package. `uv tool install --with-executables-from mitmproxy`
    and `pipx install --include-deps` put it on the PATH; `codex-transform start` needs neither.
    """
    click.echo(paths.addon())
