"""What a finished call held is freed at once, not when Python happens to look for garbage: bodies can be megabytes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.running import Proxy

pytestmark = pytest.mark.mitmproxy

SCRIPT = """
import gc
import logging
from weakref import ref


class Flows:
    def __init__(self):
        self.flows = []

    def running(self):
        gc.disable()

    def requestheaders(self, flow):
        self.flows.append(ref(flow))

    def client_disconnected(self, client):
        alive = sum(flow() is not None for flow in self.flows)
        logging.warning("flows: %d, alive: %d", len(self.flows), alive)


addons = [Flows()]
"""

BODY: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello"}


@pytest.mark.parametrize("fields", [{"stream": True}, {"stream": False}, {"model": ""}])
def test_a_finished_flow_is_freed(proxy: Callable[..., Proxy], tmp_path: Path, fields: dict[str, Any]) -> None:
    script = tmp_path / "flows.py"
    script.write_text(SCRIPT)
    running = proxy("-s", str(script))
    for number in range(3):
        running.send({**BODY, **fields})
        running.wait_for(f"flows: {number + 1}, alive: [01]\\b")
    # The connection of the last one may have been closed before its flow had been.
    running.send({**BODY, **fields})
    running.wait_for("flows: 4, alive: [01]\\b")
