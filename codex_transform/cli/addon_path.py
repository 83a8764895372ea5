"""`addon-path`: where the addon lies, for those who start mitmproxy themselves."""

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
    """Print where the addon lies, for mitmdump -s.

    mitmdump has to be the one that was installed along with this. `uv tool install --with-executables-from mitmproxy`
    and `pipx install --include-deps` put it on the PATH; `codex-transform start` needs neither.
    """
    click.echo(paths.addon())
