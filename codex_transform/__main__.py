"""`python -m codex_transform` is `codex-transform`."""

from codex_transform.cli import main

main(prog_name="codex-transform")
