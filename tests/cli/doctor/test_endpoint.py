"""`doctor` on the settings, the endpoint, and the Codex instructions for it."""

import json
import os
from pathlib import Path

import pytest
from cli.doctor.report import QuickReport, Report
from support.certificates import certificate
from support.commands import Person
from support.company_proxy import running as company_proxy

from codex_transform import sandbox as sandboxes
from codex_transform.sandbox import Sandbox


def test_without_settings_login_is_suggested(well: Person) -> None:
    well.config.unlink()
    report = QuickReport(well, "--offline")
    assert report.faults() == ["base URL", "API key"]
    assert "codex-transform login" in report.of("base URL")["mend"]


@pytest.mark.gate
@pytest.mark.parametrize(
    ("text", "says", "fix"),
    [
        ('{"baseURL": ', "is damaged, line 1", "Fix it there, or delete the file"),
        ("[]", "must hold an object", "Write one, or delete the file. Until then nothing in it is used."),
    ],
)
def test_a_damaged_config_file(text: str, says: str, fix: str, well: Person, sandbox: Sandbox) -> None:
    well.config.write_text(text)
    well.uses(sandbox)
    QuickReport(well).expect("config file", "fault", says, fix)


@pytest.mark.gate
@pytest.mark.skipif(os.name != "posix", reason="file modes have no meaning on this system")
def test_a_config_file_that_others_can_read(well: Person) -> None:
    well.config.chmod(0o644)
    QuickReport(well, "--offline").expect("config file", "warning", "can be read by other users", "chmod 600")


@pytest.mark.gate
def test_a_wrong_base_url(well: Person) -> None:
    report = QuickReport(well, "--offline", CODEX_BASE_URL="ftp://h")
    assert report.of("codex_base_url")["says"].startswith("CODEX_BASE_URL: the scheme is 'ftp'")
    assert report.of("base URL")["says"] == "unknown until that is fixed"  # `login` would not help
    assert report.faults() == ["codex_base_url"]


@pytest.mark.gate
def test_with_a_damaged_file_login_is_not_suggested(well: Person) -> None:
    well.config.write_text("{")
    """The proxy starts all the same."""
    assert Report(well, "--offline").faults() == ["config file"]


@pytest.mark.gate
def test_plain_http_to_another_machine(well: Person) -> None:
    report = QuickReport(well, "--offline", CODEX_BASE_URL="http://your-codex-api.com")
    report.expect("base URL", "warning", "unencrypted", "Use https")


@pytest.mark.gate
def test_a_host_that_is_not_rewritten(well: Person) -> None:
    """The proxy that `doctor` starts intercepts that one."""
    report = Report(well, "--offline", CODEX_HOSTS="example.com")
    report.expect("codex_hosts", "warning", "requests to api.openai.com are not rewritten")


@pytest.mark.gate
@pytest.mark.parametrize(
    ("misbehave", "name", "mark", "says"),
    [
        ("unauthorized", "key", "fault", "HTTP 401"),
        ("usage-limit-429", "stream", "fault", "usage limit reached"),
        ("html-200", "stream", "fault", "a web page"),
    ],
)
def test_an_endpoint_that_does_not_answer(
    misbehave: str, name: str, mark: str, says: str, well: Person, sandbox: Sandbox
) -> None:
    sandbox.misbehave(misbehave)
    QuickReport(well).expect(name, mark, says)


@pytest.mark.gate
def test_a_model_that_the_endpoint_lacks(well: Person) -> None:
    QuickReport(well, "--model", "gpt-9").expect(
        "stream", "warning", "gpt-9 not supported here: the key works", "--model"
    )


@pytest.mark.gate
def test_an_endpoint_without_an_address(well: Person) -> None:
    QuickReport(well, CODEX_BASE_URL="https://nobody.invalid").expect(
        "dns", "fault", "no address", "from CODEX_BASE_URL"
    )


@pytest.mark.gate
def test_an_endpoint_beyond_another_proxy(well: Person, sandbox: Sandbox) -> None:
    """It is only a warning, because `run` connects through that proxy."""
    with company_proxy(sandbox.url) as company:
        report = QuickReport(well, CODEX_BASE_URL="https://nobody.invalid", HTTPS_PROXY=f"http://{company.authority}")
    found = report.of("dns")
    assert found["mark"] == "warning"
    assert company.authority in found["mend"]


@pytest.mark.gate
def test_an_endpoint_that_is_down(well: Person, sandbox: Sandbox, nobody: str) -> None:
    QuickReport(well, CODEX_BASE_URL=nobody).expect("tcp", "fault", "nothing listens", "It comes from CODEX_BASE_URL")
    well.config.write_text(json.dumps({"baseURL": nobody, "apiKey": sandbox.key}))
    QuickReport(well).expect("tcp", "fault", "nothing listens", "`codex-transform login` sets it")


@pytest.mark.gate
def test_an_endpoint_with_a_certificate_from_a_private_ca(well: Person, sandbox: Sandbox, tmp_path: Path) -> None:
    both, trusted = certificate(tmp_path)
    with sandboxes.running(Sandbox(certfile=str(both), key=sandbox.key)) as endpoint:
        report = QuickReport(well, CODEX_BASE_URL=endpoint.url)
        report.expect("tls", "fault", "an authority that is not trusted", "ssl_verify_upstream_trusted_ca")
        (well.home / ".mitmproxy").mkdir()
        (well.home / ".mitmproxy" / "config.yaml").write_text(f"ssl_verify_upstream_trusted_ca: {trusted}\n")
        assert QuickReport(well, CODEX_BASE_URL=endpoint.url).faults() == []


@pytest.mark.gate
def test_the_instructions_that_are_used_are_named(well: Person) -> None:
    report = QuickReport(well, "--offline")
    report.expect("instructions", "warning", "none cached yet", "in the background")
    mine = well.project / "mine.md"
    mine.write_text("Do as I say.")
    QuickReport(well, "--offline", CODEX_INSTRUCTIONS_FILE=str(mine)).expect("instructions", "ok", "your own")
