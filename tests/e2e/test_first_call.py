"""What a start saves, the first call does not pay: what neither needs is not imported after it either."""

from pathlib import Path

import pytest
from support.running import OPENCODE_AGENT, mitmdump

from codex_transform import paths
from codex_transform.catalog import MAIN, Facts
from codex_transform.instructions.cache import Entry, save
from codex_transform.sandbox import Sandbox

# Sees each request before the addon has dealt with it, and so what the one before has imported.
SPY = """
import logging, sys

class Spy:
    def requestheaders(self, flow):
        imported = {"codex_transform", "pydantic"} & {*sys.modules}
        logging.getLogger("spy").warning("imported by now: %s.", " ".join(sorted(imported)))

addons = [Spy()]
"""

CATALOG = "http://127.0.0.1:9/none"


def test_neither_a_start_nor_a_call_imports_pydantic(tmp_path: Path, sandbox: Sandbox) -> None:
    script = tmp_path / "spy.py"
    script.write_text(SPY)
    facts = (Facts(slug="gpt-5.1-codex", efforts=("low", "high")),)
    entry = Entry(CATALOG, MAIN, "p", '"e"', 1.0, {"gpt-5.1-codex": "Cached instructions."}, facts)
    save(paths.cache_folder(tmp_path), entry, pytest.fail)
    config = tmp_path / ".config" / "opencode" / "opencode.json"
    config.parent.mkdir(parents=True)
    config.write_text('{"provider": {"openai": {"options": {"reasoningEffort": "high"}}}}')
    body = {"model": "gpt-5.1-codex", "input": "hello", "stream": True}
    with mitmdump(tmp_path, sandbox, "-s", str(script), CODEX_CATALOG_URL=CATALOG) as proxy:
        status, _, _ = proxy.send(body, user_agent=OPENCODE_AGENT)
        assert status == 200
        proxy.wait_for(r"gpt-5\.1-codex high · ")  # it is recorded
        since = len(proxy.lines)
        proxy.send(body, user_agent=OPENCODE_AGENT)
        assert proxy.wait_for(r"imported by now: (.*)\.", since=since)[1] == "codex_transform"
    assert sandbox.requests[0]["body"]["instructions"] == "Cached instructions."
