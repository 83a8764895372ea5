"""`doctor` on addresses that OpenCode sends its requests to: named, without what is secret in them."""

import json

import pytest
from cli.doctor.report import Report, opencode_json
from support.commands import Person

pytestmark = pytest.mark.gate

SECRET = "letmein@0123456789"


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1:9"])
def test_of_the_configuration(host: str, well: Person) -> None:
    url = f"http://me:{SECRET}@{host}/v1"
    opencode_json(well, json.dumps({"provider": {"openai": {"options": {"baseURL": url}}}}))
    report = Report(well, "--offline", OPENAI_API_KEY="dummy")
    report.expect("reverse mode", "fault", f"http://{host}/v1")
    assert "letmein" not in report.text


def test_of_the_environment(well: Person) -> None:
    report = Report(well, "--offline", OPENAI_BASE_URL=f"https://me:{SECRET}@elsewhere.example/v1")
    report.expect("OPENAI_BASE_URL", "fault", "https://elsewhere.example/v1, past the proxy")
    assert "letmein" not in report.text


def test_a_proxy_in_reverse_mode_that_does_not_run_can_be_done_without(well: Person) -> None:
    opencode_json(well, '{"provider": {"openai": {"options": {"baseURL": "http://127.0.0.1:9/v1"}}}}')
    fix = Report(well, "--offline", OPENAI_API_KEY="dummy").of("reverse mode")["mend"]
    assert "--mode reverse:" in fix
    assert "codex-transform run opencode" in fix
