"""`doctor` on the proxy: its certificate, its log, its start, its port, reverse mode."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from cli.doctor.report import QuickReport, Report, opencode_json
from mitmproxy.certs import CertStore
from support.certificates import certificate
from support.commands import Person
from support.listener import listener
from support.running import mitmdump

from codex_transform.sandbox import Sandbox


def test_a_damaged_certificate(well: Person) -> None:
    folder = well.home / ".mitmproxy"
    folder.mkdir()
    (folder / "mitmproxy-ca.pem").write_text("no certificate")
    (folder / "mitmproxy-ca-cert.pem").write_text("no certificate")
    report = Report(well, "--offline")
    report.expect("certificate", "fault", "is damaged", "the proxy makes a new one")
    assert "not tried" in report.of("trust")["says"]


@pytest.mark.gate
def test_a_certificate_that_mitmproxy_does_not_sign_with(well: Person, tmp_path: Path) -> None:
    CertStore.from_store(well.home / ".mitmproxy", "mitmproxy", 2048)
    _, other = certificate(tmp_path)
    shutil.copy(other, well.home / ".mitmproxy" / "mitmproxy-ca-cert.pem")
    QuickReport(well, "--offline").expect("certificate", "fault", "not the one that mitmproxy signs with", "Delete")
    for file in (well.home / ".mitmproxy").glob("mitmproxy-ca*"):
        file.unlink()
    assert Report(well, "--offline").faults() == []


@pytest.mark.gate
def test_a_certificate_that_has_expired(well: Person, tmp_path: Path) -> None:
    both, public = certificate(tmp_path, until=timedelta(days=-1))
    folder = well.home / ".mitmproxy"
    folder.mkdir()
    shutil.copy(both, folder / "mitmproxy-ca.pem")
    shutil.copy(public, folder / "mitmproxy-ca-cert.pem")
    QuickReport(well, "--offline").expect("certificate", "fault", "expired on", "Delete")


@pytest.mark.gate
def test_a_log_that_cannot_be_written(well: Person) -> None:
    (well.home / ".opencode" / "logs").write_text("a file where a folder should be")
    Report(well, "--offline").expect("proxy", "fault", "No log can be written", "Move the file away")


@pytest.mark.gate
def test_a_proxy_that_does_not_start(well: Person) -> None:
    (well.home / ".mitmproxy").mkdir()
    (well.home / ".mitmproxy" / "config.yaml").write_text("client_certs: /no/such/folder\n")
    report = Report(well, "--offline")
    report.expect("proxy", "fault", "Client certificate path does not exist: /no/such/folder", "the whole log is")
    # One line, for the log's path is in the fix; and `doctor` does not send the user to `doctor`.
    assert "\n" not in report.of("proxy")["says"]
    assert "codex-transform doctor" not in report.of("proxy")["says"]


@pytest.mark.gate
def test_a_port_that_is_taken(well: Person) -> None:
    with listener() as server:
        report = QuickReport(well, "--offline", "--port", str(server.port))
    report.expect(f"port {server.port}", "warning", "something else listens", "codex-transform start --port")


@pytest.mark.gate
def test_reverse_mode_needs_a_proxy_that_opencode_reaches(
    well: Person, sandbox: Sandbox, nobody: str, tmp_path: Path
) -> None:
    def configure(proxy: str) -> None:
        shutil.rmtree(well.home / ".config", ignore_errors=True)
        opencode_json(well, json.dumps({"provider": {"openai": {"options": {"baseURL": f"{proxy}/v1"}}}}))

    with mitmdump(tmp_path / "proxy-home", sandbox, "--mode", f"reverse:{sandbox.url}") as running:
        configure(running.url)
        QuickReport(well, "--offline").expect("reverse mode", "ok", "where this proxy listens")
        there = {"HTTP_PROXY": "http://127.0.0.1:9"}
        QuickReport(well, "--offline", **there).expect(
            "HTTP_PROXY", "fault", "OpenCode reaches ours only through it", "NO_PROXY"
        )
        assert QuickReport(well, "--offline", NO_PROXY="localhost,127.0.0.1", **there).faults() == []
    configure(nobody)
    report = QuickReport(well, "--offline")
    report.expect("reverse mode", "fault", "no proxy listens in reverse mode", "--mode reverse:")
