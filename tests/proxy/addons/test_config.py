"""Settings while mitmproxy runs."""

from pathlib import Path

import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import taddons
from support.waiting import eventually

from codex_transform.proxy.addons.config import Config
from codex_transform.redaction import redact
from codex_transform.settings.state_url import StateUrl


async def test_settings_are_reloaded_although_the_working_directory_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(folder)
    config = Config({"HOME": str(tmp_path)})
    with taddons.context() as context:
        # These options belong to one of mitmproxy's own addons.
        context.options.add_option("connection_strategy", str, "eager", "")
        context.options.add_option("upstream_cert", bool, True, "")
        context.master.addons.add(config)
        folder.rmdir()
        config.config_file.parent.mkdir()
        config.config_file.write_text('{"baseURL": "https://endpoint.example"}')
        assert eventually(lambda: sees_endpoint(config))
    assert config.endpoint
    assert config.endpoint.host == "endpoint.example"


def sees_endpoint(config: Config) -> bool:
    """Whether a request makes it see the endpoint: changes are not looked for at every request."""
    config.requestheaders(None)
    return config.endpoint is not None


async def test_options_show_no_password_and_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mitmweb shows options. The settings have both, also in the addon that replaces this one at a reload."""
    monkeypatch.setenv("HOME", str(tmp_path))
    url, key = "redis://alice:s%40cret-word@127.0.0.1:1/0", "sk-0123456789abcdef"
    with taddons.context(Proxyserver()) as context:
        config = Config({})
        context.master.addons.add(config)
        context.options.update(codex_state=url, codex_api_key=key)
        assert context.options.codex_state == "redis://alice:…@127.0.0.1:1/0"
        assert context.options.codex_api_key == redact(key)
        assert config.require_key() == key
        assert isinstance(config.settings.state, StateUrl)
        assert config.settings.state.text == url
        reloaded = Config({})
        context.master.addons.remove(config)
        context.master.addons.add(reloaded)
        reloaded.configure({"codex_state"})
        assert isinstance(reloaded.settings.state, StateUrl)
        assert reloaded.settings.state.text == url
        context.options.update(codex_state="disk")
        assert reloaded.settings.state == context.options.codex_state == "disk"


@pytest.mark.parametrize("has_password", [True, False])
async def test_a_mitmweb_without_a_password_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, has_password: bool
) -> None:
    """As in mitmproxy 11.0: whoever can change its options can have the key sent anywhere."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with taddons.context(Proxyserver()) as context:
        context.options.add_option("web_host", str, "127.0.0.1", "")
        if has_password:
            context.options.add_option("web_password", str, "", "")
        context.master.addons.add(Config({"HOME": str(tmp_path)}))
        context.options.update(codex_mode=False)
    assert ("has no password" in caplog.text) is not has_password
