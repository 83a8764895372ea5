"""Settings while mitmproxy runs, where the ground moves."""

from pathlib import Path

import pytest
from mitmproxy.test import taddons
from support.waiting import eventually

from codex_transform.proxy.addons.config import Config


async def test_the_folder_that_it_was_started_in_may_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(folder)
    config = Config({"HOME": str(tmp_path)})
    with taddons.context() as context:
        # Options of an addon of mitmproxy's own.
        context.options.add_option("connection_strategy", str, "eager", "")
        context.options.add_option("upstream_cert", bool, True, "")
        context.master.addons.add(config)
        folder.rmdir()
        config.config_file.parent.mkdir()
        config.config_file.write_text('{"baseURL": "https://endpoint.example"}')
        assert eventually(lambda: looks(config))
    assert config.endpoint
    assert config.endpoint.host == "endpoint.example"


def looks(config: Config) -> bool:
    """Whether a request makes it see the endpoint: it does not look for changes with every one."""
    config.requestheaders(None)
    return config.endpoint is not None
