"""A key given on the command line."""

import json
from collections.abc import Callable
from typing import Any

from support.running import Proxy

from codex_transform.redaction import redact
from codex_transform.sandbox import Sandbox

HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello", "stream": True}


def test_a_key_given_as_an_option_works_and_is_warned_of(proxy: Callable[..., Proxy], sandbox: Sandbox) -> None:
    running = proxy("--set", f"codex_api_key={sandbox.key}", CODEX_API_KEY="sk-another-key-0000000000")
    running.wait_for("codex_api_key: on a command line the key is visible")
    assert running.send(HELLO)[0] == 200
    assert sandbox.requests[0]["headers"]["authorization"].endswith(sandbox.key[-4:])


def test_mitmproxys_options_do_not_show_it(proxy: Callable[..., Proxy], sandbox: Sandbox, tmp_path: Any) -> None:
    saver = tmp_path / "saver.py"
    saver.write_text(
        "from mitmproxy import ctx\nimport json, pathlib\n"
        "def request(flow):\n"
        f"    pathlib.Path({str(tmp_path / 'seen.json')!r}).write_text(json.dumps(ctx.options.codex_api_key))\n"
    )
    running = proxy("--set", f"codex_api_key={sandbox.key}", "-s", str(saver), CODEX_API_KEY=None)
    assert running.send(HELLO)[0] == 200
    assert json.loads((tmp_path / "seen.json").read_text()) == redact(sandbox.key)
