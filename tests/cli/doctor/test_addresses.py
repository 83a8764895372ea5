"""`doctor` names the addresses that OpenCode sends its requests to, without the passwords in them."""

import json

import pytest
from cli.doctor.report import QuickReport, opencode_json
from support.commands import Person

pytestmark = pytest.mark.gate

SECRET = "letmein@0123456789"


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1:9"])
def test_the_configured_address_is_shown_without_its_password(host: str, well: Person) -> None:
    url = f"http://me:{SECRET}@{host}/v1"
    opencode_json(well, json.dumps({"provider": {"openai": {"options": {"baseURL": url}}}}))
    report = QuickReport(well, "--offline", OPENAI_API_KEY="dummy")
    report.expect("reverse mode", "fault", f"http://{host}/v1")
    assert "letmein" not in report.text


def test_the_environments_address_is_shown_without_its_password(well: Person) -> None:
    report = QuickReport(well, "--offline", OPENAI_BASE_URL=f"https://me:{SECRET}@elsewhere.example/v1")
    report.expect("OPENAI_BASE_URL", "fault", "https://elsewhere.example/v1, bypassing the proxy")
    assert "letmein" not in report.text


def test_if_no_proxy_runs_in_reverse_mode_run_is_suggested_too(well: Person) -> None:
    opencode_json(well, '{"provider": {"openai": {"options": {"baseURL": "http://127.0.0.1:9/v1"}}}}')
    fix = QuickReport(well, "--offline", OPENAI_API_KEY="dummy").of("reverse mode")["mend"]
    assert "--mode reverse:" in fix
    assert "codex-transform run opencode" in fix
