"""`doctor` on the programs: mitmproxy, OpenCode, and OpenCode's own files."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest
from cli.doctor.report import QuickReport, Report, opencode_json
from support.commands import Person
from support.running import ROOT

pytestmark = pytest.mark.gate


def test_an_unsupported_mitmproxy_is_a_fault_and_an_untested_one_a_warning(well: Person, tmp_path: Path) -> None:
    """With an unsupported one the proxy does not start either."""
    versions = (("10.4.2", "fault", "pip install"), ("13.0.0", "fault", "pip install"), ("12.99.0", "warning", ""))
    for version, mark, fix in versions:
        folder = tmp_path / version / f"mitmproxy-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mitmproxy\nVersion: {version}\n")
        path = f"{folder.parent}{os.pathsep}{ROOT}"
        report = Report(well, "--offline", PYTHONPATH=path)
        found = report.of("mitmproxy")
        assert found["mark"] == mark
        assert version in found["says"]
        assert fix in found["mend"]
        assert report.faults() == (["mitmproxy", "proxy"] if mark == "fault" else [])


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return folder


def test_a_mitmdump_of_another_environment(well: Person, tmp_path: Path) -> None:
    folder = program(tmp_path / "bin", "mitmdump", "exit 1")
    report = QuickReport(well, "--offline", PATH=f"{folder}{os.pathsep}{well.variables['PATH']}")
    report.expect("mitmdump", "warning", "does not belong to this Python", "codex-transform start")


def test_no_opencode(well: Person) -> None:
    report = Report(well, "--offline", PATH="/usr/bin:/bin")
    report.expect("OpenCode", "fault", "is not on the PATH", "npm i -g opencode-ai")
    assert "OpenCode is not installed" in report.of("trust")["says"]


@pytest.mark.parametrize(
    ("script", "mark", "says"),
    [
        ("echo 0.15.3", "warning", "older than any"),
        ("exit 3", "fault", "does not run"),
        ("exec sleep 60", "warning", "printed no version within 12 s"),
    ],
)
def test_an_opencode_that_is_too_old_or_hangs_or_does_not_run(
    script: str, mark: str, says: str, well: Person, tmp_path: Path
) -> None:
    folder = program(tmp_path / "bin", "opencode", script)
    report = Report(well, "--offline", PATH=f"{folder}:/usr/bin:/bin")
    report.expect("OpenCode", mark, says)
    assert "does not run as Bun" in report.of("trust")["says"]
    assert "reverse mode" in report.of("trust")["mend"]


@pytest.mark.parametrize(("name", "says"), [("opencode2", "opencode2 v2.0.4"), ("lildax", "lildax vlocal")])
def test_opencode_2_is_listed_besides_opencode_1(name: str, says: str, well: Person, tmp_path: Path) -> None:
    folder = program(tmp_path / "bin", name, f"echo {says}")
    report = QuickReport(well, "--offline", PATH=f"{folder}{os.pathsep}{well.variables['PATH']}")
    found = [each["says"] for each in report.document["checks"] if each["name"] == "OpenCode"]
    assert len(found) == 2
    assert f"{says} ({folder / name}), which is OpenCode 2" in found
    assert report.of("server")["says"] == "OpenCode 2 has none running"


def test_a_configuration_in_two_forms(well: Person) -> None:
    opencode_json(well, '{"provider": {"openai": {}}, "providers": {"openai": {}}}')
    QuickReport(well, "--offline").expect("configuration", "warning", "in two forms", "Remove one")


def test_where_the_requests_of_an_opencode_2_server_go_is_read_from_its_process(well: Person) -> None:
    """The state file names the process, whose environment names the proxy; any program serves as the server."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        subprocess.Popen(
            ["sleep", "600"], env={"PATH": os.environ["PATH"], "HTTPS_PROXY": "http://me:secret@10.9.8.7:3128"}
        ) as process,
    ):
        try:
            state = well.home / ".local" / "state" / "opencode" / "service.json"
            state.parent.mkdir(parents=True)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            state.write_text(json.dumps({"pid": process.pid, "url": url, "password": "hush-hush"}))
            report = QuickReport(well, "--offline")
            report.expect("server", "warning", "go to 10.9.8.7:3128, not to this proxy", "--restart-server")
            assert "secret" not in report.of("server")["says"]
            assert "hush-hush" not in json.dumps(report.document["checks"])
        finally:
            process.kill()


def test_an_opencode_configuration_that_keeps_it_from_starting(well: Person) -> None:
    opencode_json(well, '{"provider": ')
    QuickReport(well, "--offline").expect("configuration", "fault", "line 1", "Fix it there")


def test_an_opencode_configuration_that_cannot_be_read(well: Person) -> None:
    (well.home / ".config" / "opencode" / "opencode.json").mkdir(parents=True)
    QuickReport(well, "--offline").expect("configuration", "warning", "not used: not a regular file", "Make it a file")


def test_an_opencode_configuration_with_a_wrong_value(well: Person) -> None:
    opencode_json(well, '{"provider": {"openai": {"options": {"reasoningEffort": 5}}}}')
    QuickReport(well, "--offline").expect("configuration", "warning", "reasoningEffort must be text")


def test_a_base_url_that_keeps_old_opencode_from_starting(well: Person, tmp_path: Path) -> None:
    opencode_json(well, json.dumps({"provider": {"openai": {"baseURL": "https://h.example"}}}))
    assert QuickReport(well, "--offline").of("configuration")["mark"] == "ok"
    folder = program(tmp_path / "bin", "opencode", "echo 1.3.2")
    report = QuickReport(well, "--offline", PATH=f"{folder}:/usr/bin:/bin")
    report.expect("configuration", "fault", "keeps OpenCode 1.1 and 1.3 from starting", "Remove it")


def test_models_that_the_catalogue_does_not_know_are_named(well: Person) -> None:
    file = opencode_json(well, '{"provider": {"openai": {"models": {"gpt-5.2": {}, "gpt-5.1-codex-high": {}}}}}')
    QuickReport(well, "--offline").expect("models", "ok", "2 configured")
    file.write_text('{"provider": {"openai": {"models": {"gpt-5.2": {}, "gpt-9": {}}}}}')
    QuickReport(well, "--offline").expect("models", "warning", "their names are sent unchanged: gpt-9")


def test_a_plugin_that_is_still_loaded_is_a_fault(well: Person) -> None:
    opencode_json(well, '{"plugin": ["opencode-openai-codex-auth@4.0.0"]}')
    report = QuickReport(well, "--offline")
    report.expect("plugin", "fault", "opencode-openai-codex-auth@4.0.0 is still loaded", "codex-transform config")


def test_a_missing_key_is_a_fault_only_where_run_does_not_set_one(well: Person, nobody: str) -> None:
    del well.variables["OPENAI_API_KEY"]
    QuickReport(well, "--offline").expect("login", "ok", "from `codex-transform run opencode`")
    report = QuickReport(well, "--offline", HTTPS_PROXY=nobody)
    assert report.of("login")["mark"] == "fault"
    assert "OPENAI_API_KEY=dummy" in report.of("login")["mend"]


def test_a_chatgpt_login(well: Person) -> None:
    """OpenCode then sends its requests to ChatGPT, even if it has a key."""
    folder = well.home / ".local" / "share" / "opencode"
    folder.mkdir(parents=True)
    (folder / "auth.json").write_text('{"openai": {"type": "oauth", "refresh": "r", "access": "a", "expires": 0}}')
    QuickReport(well, "--offline").expect("login", "fault", "logged in to ChatGPT", "opencode auth logout")
