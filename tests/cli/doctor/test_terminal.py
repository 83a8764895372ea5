"""`doctor` on its terminal: the variables that lead OpenCode to the proxy, and those that interfere."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.doctor.report import QuickReport, Report, opencode_json
from support.certificates import certificate
from support.commands import Person
from support.company_proxy import running as company_proxy
from support.running import Proxy, mitmdump

from codex_transform.sandbox import Sandbox


@pytest.fixture
def proxied(well: Person, sandbox: Sandbox) -> Iterator[Proxy]:
    """A running proxy, for which the person's terminal is set up."""
    with mitmdump(well.home, sandbox) as running:
        well.variables |= {"HTTPS_PROXY": running.url, "NODE_EXTRA_CA_CERTS": str(running.ca)}
        yield running


@pytest.mark.usefixtures("opencode")
def test_a_terminal_that_is_set_up(well: Person, proxied: Proxy) -> None:
    report = Report(well, "--port", str(proxied.port))
    report.expect("HTTPS_PROXY", "ok", "leads to this proxy")
    report.expect(f"port {proxied.port}", "ok", "this proxy listens there")
    report.expect("trust", "ok", "reached the addon")
    report.expect("other variables", "ok", "none interferes")


@pytest.mark.usefixtures("opencode")
@pytest.mark.gate
def test_a_terminal_without_the_certificate(well: Person, proxied: Proxy) -> None:
    del well.variables["NODE_EXTRA_CA_CERTS"]
    fix = f"export NODE_EXTRA_CA_CERTS={proxied.ca}"
    Report(well, "--offline").expect("trust", "fault", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", fix)


@pytest.mark.usefixtures("opencode")
@pytest.mark.gate
def test_a_terminal_with_another_certificate(well: Person, proxied: Proxy, tmp_path: Path) -> None:
    _, other = certificate(tmp_path)
    assert proxied.port
    Report(well, "--offline", NODE_EXTRA_CA_CERTS=str(other)).expect(
        "trust", "fault", "does not accept the certificate"
    )


@pytest.mark.gate
def test_a_certificate_variable_that_names_no_file(well: Person, tmp_path: Path) -> None:
    report = QuickReport(well, "--offline", NODE_EXTRA_CA_CERTS=str(tmp_path / "none.pem"))
    report.expect("NODE_EXTRA_CA_CERTS", "fault", "none.pem cannot be read", "unset it")
    (tmp_path / "none.pem").write_text("nothing\n")
    report = QuickReport(well, "--offline", SSL_CERT_FILE=str(tmp_path / "none.pem"))
    report.expect("SSL_CERT_FILE", "fault", "holds no certificate")


@pytest.mark.gate
@pytest.mark.parametrize("entry", ["api.openai.com", ".openai.com", "*", "localhost,openai.com"])
def test_no_proxy_covers_the_host(entry: str, well: Person, proxied: Proxy) -> None:
    assert proxied.port
    report = QuickReport(well, "--offline", NO_PROXY=entry)
    report.expect("NO_PROXY", "fault", "covers api.openai.com", "Remove that entry")


@pytest.mark.gate
def test_a_proxy_variable_that_leads_nowhere(well: Person, nobody: str) -> None:
    report = QuickReport(well, "--offline", HTTPS_PROXY=nobody)
    assert report.of("HTTPS_PROXY")["mark"] == "fault"
    assert "nothing listens" in report.of("HTTPS_PROXY")["says"]
    assert "codex-transform start" in report.of("HTTPS_PROXY")["mend"]


@pytest.mark.gate
def test_a_proxy_variable_that_leads_to_another_proxy(well: Person, sandbox: Sandbox) -> None:
    """Such as a company's: only a warning, because `run` connects through it."""
    del well.variables["OPENAI_API_KEY"]
    with company_proxy(sandbox.url) as company:
        report = Report(well, "--offline", HTTPS_PROXY=f"http://{company.authority}")
    report.expect("HTTPS_PROXY", "warning", "something else listens")


def test_a_proxy_variable_that_leads_to_our_proxy_in_reverse_mode(
    well: Person, tmp_path: Path, sandbox: Sandbox
) -> None:
    with mitmdump(tmp_path / "proxy-home", sandbox, "--mode", f"reverse:{sandbox.url}") as reverse:
        report = QuickReport(well, "--offline", "--port", str(reverse.port), HTTPS_PROXY=reverse.url)
    report.expect("HTTPS_PROXY", "fault", "this proxy listens in reverse mode", "Unset it")
    assert report.of(f"port {reverse.port}")["says"] == "this proxy listens there"


def test_a_base_url_that_leads_to_our_proxy_in_another_mode(well: Person, proxied: Proxy) -> None:
    base_url = f"{proxied.url}/v1"
    report = QuickReport(well, "--offline", OPENAI_BASE_URL=base_url)
    report.expect("OPENAI_BASE_URL", "fault", f"{base_url}, where this proxy is not in reverse mode")
    opencode_json(well, json.dumps({"provider": {"openai": {"options": {"baseURL": base_url}}}}))
    report = QuickReport(well, "--offline")
    report.expect("reverse mode", "fault", "this proxy listens there in another mode", "--mode reverse:")


@pytest.mark.gate
def test_a_proxy_variable_that_leads_to_another_machine(well: Person) -> None:
    report = QuickReport(well, "--offline", HTTPS_PROXY="http://proxy.example:3128")
    report.expect("HTTPS_PROXY", "warning", "proxy.example:3128, another machine")


@pytest.mark.gate
def test_the_lower_case_variable_takes_precedence(well: Person, proxied: Proxy, nobody: str) -> None:
    assert proxied.port
    report = QuickReport(well, "--offline", https_proxy=nobody)
    report.expect("HTTPS_PROXY", "fault", "nothing listens")


@pytest.mark.gate
@pytest.mark.parametrize(
    ("name", "value", "mark", "says"),
    [
        ("OPENAI_BASE_URL", "https://elsewhere.example/v1", "fault", "bypassing the proxy"),
        ("NODE_TLS_REJECT_UNAUTHORIZED", "0", "warning", "any certificate"),
        ("ALL_PROXY", "http://127.0.0.1:9", "warning", "HTTPS_PROXY only"),
    ],
)
def test_variables_that_interfere(name: str, value: str, mark: str, says: str, well: Person) -> None:
    QuickReport(well, "--offline", **{name: value}).expect(name, mark, says)
