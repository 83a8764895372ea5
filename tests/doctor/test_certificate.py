"""Starting a proxy to check its certificate, as far as that needs no OpenCode."""

import os
from pathlib import Path

import pytest

from codex_transform.doctor.certificate import check_trust
from codex_transform.doctor.result import DoctorContext
from codex_transform.opencode.config import OpenCodeConfig
from codex_transform.settings import loader


def test_the_reason_why_a_proxy_does_not_start_is_given_once_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / ".mitmproxy").mkdir()
    (tmp_path / ".mitmproxy" / "config.yaml").write_text("client_certs: /no/such/folder\n")
    client = OpenCodeConfig()
    loaded = loader.load({}, {}, tmp_path / "none.json", client)
    context = DoctorContext({"PATH": os.defpath}, tmp_path, tmp_path, loaded, client, ())
    (result,) = check_trust(context)
    assert (result.name, result.mark) == ("proxy", "fault")
    assert result.message.startswith("The proxy did not start. ")
    assert result.message.count("/no/such/folder") == 1
    assert "\n" not in result.message
    # The user is already running `doctor`.
    assert "codex-transform doctor" not in result.message + result.fix
    assert str(tmp_path / ".opencode" / "logs") in result.fix
