"""The report of `doctor`: as lines and as JSON, without the network, without a home folder."""

import pytest
from cli.doctor.report import Report
from support.commands import Person

from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate


@pytest.mark.usefixtures("opencode")
def test_a_sound_setup_has_no_faults(well: Person) -> None:
    report = Report(well)
    assert report.faults() == []
    for name in ("Python", "mitmproxy", "config file", "base URL", "API key", "dns", "tcp", "key", "stream"):
        assert report.of(name)["mark"] == "ok", report.text
    for name in ("OpenCode", "configuration", "models", "plugin", "login", "certificate", "proxy"):
        assert report.of(name)["mark"] == "ok", report.text
    report.expect("trust", "ok", "OpenCode's runtime reached the addon through the proxy")
    report.expect("HTTPS_PROXY", "warning", "is not set in this terminal", "codex-transform run opencode")
    report.expect("catalogue", "warning", "cannot be fetched", "codex_catalog_url")
    assert well.wait_until_gone()


def test_the_members_of_the_json_report(well: Person) -> None:
    report = Report(well, "--offline")
    assert report.document.keys() == {"version", "ok", "checks"}
    assert report.document["ok"] is True
    for check in report.document["checks"]:
        assert check.keys() == {"group", "name", "mark", "says", "mend"}
        assert check["mark"] in ("ok", "warning", "fault")
        assert check["says"]
        assert bool(check["mend"]) == (check["mark"] != "ok"), check


def test_the_lines_of_the_report_in_unicode_ascii_and_colour(well: Person) -> None:
    done = well.run("doctor", "--offline", CODEX_MODE="perhaps")
    assert done.returncode == 1
    assert "✓ Python: 3." in done.stdout
    assert "! HTTPS_PROXY: is not set" in done.stdout
    assert "✗ codex_mode: CODEX_MODE: must be on or off\n    → Write 1 or 0" in done.stdout
    assert "1 fault, " in done.stdout
    assert "\x1b" not in done.stdout
    plain = well.run("doctor", "--offline", CODEX_MODE="perhaps", PYTHONIOENCODING="ascii")
    assert "+ Python: 3." in plain.stdout
    assert "x codex_mode: CODEX_MODE: must be on or off\n    -> Write" in plain.stdout
    with well.at_terminal("doctor", "--offline") as child:
        shown = child.read()
    assert "\x1b[32m\x1b[1m✓" in shown


def test_offline_sends_no_request(well: Person, sandbox: Sandbox) -> None:
    report = Report(well, "--offline")
    assert report.of("endpoint")["says"] == "not tried (--offline)"
    assert not sandbox.requests


def test_an_unreadable_home_is_reported_without_a_crash(well: Person) -> None:
    """A name that is too long stands in for a folder without permission, which root could read."""
    report = Report(well, "--offline", HOME=str(well.home / ("x" * 300)))
    assert "itself failed" not in report.text
    assert "make it a file of yours" in report.of("config file")["mend"].lower()
    assert report.of("certificate")["mark"] == "fault"


def test_without_a_home_the_variable_is_named(person: Person) -> None:
    done = person.run("doctor", HOME="")
    assert done.returncode == 1
    assert "HOME" in done.stderr


def test_help_shows_how_to_get_json(person: Person) -> None:
    done = person.run("doctor", "--help")
    assert done.returncode == 0
    assert "codex-transform doctor --json" in done.stdout
