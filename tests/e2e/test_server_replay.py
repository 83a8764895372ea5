"""mitmproxy's server replay: saved calls get their saved responses, and nothing else is forwarded if so set."""

from http.client import RemoteDisconnected
from pathlib import Path

import pytest
from support.running import mitmdump

from codex_transform.sandbox import Sandbox

pytestmark = [pytest.mark.gate, pytest.mark.mitmproxy]

STREAMING = {"model": "gpt-5-codex", "input": "say hello", "stream": True}
WHOLE = {**STREAMING, "stream": False}
UNKNOWN = {**STREAMING, "input": "say something else"}


def test_saved_calls_are_answered(tmp_path: Path, sandbox: Sandbox) -> None:
    """With and without streaming; requests that are not in the file go to the endpoint, or nowhere."""
    flows = str(tmp_path / "flows")
    with mitmdump(tmp_path / "home", sandbox, "-w", flows) as proxy:
        saved = [proxy.send(body) for body in (STREAMING, WHOLE)]
    assert len(sandbox.requests) == 2
    for extra, status in ((None, 200), ("404", 404), ("kill", None)):
        # mitmdump ends by itself otherwise, as soon as all saved calls have been used.
        options = ["--set", "keepserving=true", *(["--server-replay-extra", extra] if extra else [])]
        with mitmdump(tmp_path / "home", sandbox, "-S", flows, *options) as proxy:
            before = len(sandbox.requests)
            if status is None:
                with pytest.raises(RemoteDisconnected):
                    proxy.send(UNKNOWN)
            else:
                assert proxy.send(UNKNOWN)[0] == status
            assert len(sandbox.requests) - before == (extra is None)
            for body, (_, headers, content) in zip((STREAMING, WHOLE), saved, strict=True):
                replayed = proxy.send(body)
                assert replayed[0] == 200
                assert replayed[1]["content-type"] == headers["content-type"]
                assert replayed[2] == content
            assert len(sandbox.requests) - before == (extra is None)
            # All saved calls have been used by now.
            if status is None:
                with pytest.raises(RemoteDisconnected):
                    proxy.send(STREAMING)
            else:
                assert proxy.send(STREAMING)[0] == status
            assert len(sandbox.requests) - before == 2 * (extra is None)
