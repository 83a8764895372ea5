"""Real OpenCodes read what `codex-transform config` writes: today's, and two old ones with a strict schema."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import programs
import pytest
from support.running import OpenCode

from codex_transform.opencode import provider_models

# Only in the gate, because each test starts whole programs.
pytestmark = pytest.mark.gate

Make = Callable[..., OpenCode]

VERSIONS = [programs.OPENCODE, programs.OLD_OPENCODE]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("form", ["--modern", "--legacy"])
def test_opencode_lists_every_model(form: str, version: str, opencode: Make) -> None:
    client = opencode(version)
    client.configured(form)
    done = client.run("models", "openai")
    assert done.returncode == 0, done.stderr
    wanted = provider_models.entries(provider_models.select_models(), legacy=form == "--legacy")
    assert {f"openai/{name}" for name in wanted} <= set(done.stdout.split())


def test_opencode_reads_everything_that_was_written(opencode: Make) -> None:
    """Nothing is dropped as unknown, and OpenCode's own limits are replaced."""
    client = opencode()
    written = json.loads(client.configured().read_text())["provider"]["openai"]["models"]
    listing = client.home / "listing"
    with listing.open("w") as file:  # into a pipe OpenCode writes only the first 64 KiB
        environ = {"HOME": str(client.home), "PATH": os.environ["PATH"], "OPENAI_API_KEY": "dummy"}
        command: list[str | Path] = [client.program, "models", "openai", "--verbose"]
        subprocess.run(command, cwd=client.project, env=environ, stdout=file, timeout=60, check=True)
    text, decoder, position, facts = listing.read_text(), json.JSONDecoder(), 0, {}
    while (start := text.find("\n{", position)) >= 0:
        model, position = decoder.raw_decode(text, start + 1)
        facts[model["id"]] = model
    for name, entry in written.items():
        known = facts[name]
        assert known["name"] == entry["name"]
        assert known["limit"] == entry["limit"]
        assert known["options"] == entry["options"]
        assert known["capabilities"]["reasoning"] is True
        assert set(entry["variants"]) <= set(known["variants"])
