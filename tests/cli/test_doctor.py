"""`doctor` on machines with one thing wrong: the real OpenCode, the real proxy, an endpoint, real files."""

import json
import os
import shutil
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT, Person, real_opencode
from company_proxy import running as company_proxy
from h2_endpoint import certificate
from running import Proxy, mitmdump

from codex_transform import sandbox as sandboxes
from codex_transform.sandbox import Sandbox

_KEY = "sk-sandbox-of-the-doctor-0123456789"


@pytest.fixture
def sandbox() -> Any:
    with sandboxes.running(Sandbox(key=_KEY)) as running:
        yield running


@pytest.fixture
def well(person: Person, sandbox: Sandbox) -> Person:
    """Somebody with nothing wrong but that no proxy runs: settings in the file, OpenCode on the PATH."""
    person.config.parent.mkdir()
    person.config.write_text(json.dumps({"baseURL": sandbox.url, "apiKey": sandbox.key}))
    person.config.chmod(0o600)
    person.variables["PATH"] = f"{real_opencode().parent}{os.pathsep}/usr/bin{os.pathsep}/bin"
    person.variables["OPENAI_API_KEY"] = "dummy"
    return person


class Report:
    """What `doctor --json` found."""

    def __init__(self, person: Person, *arguments: str, **variables: str) -> None:
        done = person.run("doctor", "--json", "--port", str(free_port()), *arguments, **variables)
        self.status = done.returncode
        self.text = done.stdout
        self.document: dict[str, Any] = json.loads(done.stdout)
        assert self.status == (0 if self.document["ok"] else 1), done.stderr
        assert _KEY not in done.stdout + done.stderr

    def of(self, name: str) -> dict[str, str]:
        """The one finding of that name."""
        (found,) = [check for check in self.document["checks"] if check["name"] == name]
        return dict(found)

    def faults(self) -> list[str]:
        return [check["name"] for check in self.document["checks"] if check["mark"] == "fault"]

    def expect(self, name: str, mark: str, says: str, mend: str = "") -> None:
        """A finding, and no fault but that."""
        found = self.of(name)
        assert found["mark"] == mark, found
        assert says in found["says"], found
        assert mend in found["mend"], found
        assert self.faults() == ([name] if mark == "fault" else []), self.text


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def opencode_json(person: Person, text: str) -> Path:
    folder = person.home / ".config" / "opencode"
    folder.mkdir(parents=True)
    (folder / "opencode.json").write_text(text)
    return folder / "opencode.json"


def test_all_is_well(well: Person) -> None:
    report = Report(well)
    assert report.faults() == []
    assert report.status == 0
    for name in ("Python", "mitmproxy", "config file", "base URL", "API key", "dns", "tcp", "key", "stream"):
        assert report.of(name)["mark"] == "ok", report.text
    for name in ("OpenCode", "configuration", "models", "plugin", "login", "certificate", "proxy"):
        assert report.of(name)["mark"] == "ok", report.text
    report.expect("trust", "ok", "OpenCode's runtime reached the addon through the proxy")
    report.expect("HTTPS_PROXY", "warning", "is not set in this terminal", "codex-transform run opencode")
    report.expect("catalogue", "warning", "cannot be had", "codex_catalog_url")
    assert not well.left()


def test_the_document(well: Person) -> None:
    report = Report(well, "--offline")
    assert report.document.keys() == {"version", "ok", "checks"}
    assert report.document["ok"] is True
    for check in report.document["checks"]:
        assert check.keys() == {"group", "name", "mark", "says", "mend"}
        assert check["mark"] in ("ok", "warning", "fault")
        assert check["says"]
        assert bool(check["mend"]) == (check["mark"] != "ok"), check


def test_lines_for_people(well: Person) -> None:
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


def test_offline_asks_nobody(well: Person, sandbox: Sandbox) -> None:
    report = Report(well, "--offline")
    assert report.of("endpoint")["says"] == "not tried (--offline)"
    assert not sandbox.requests


def test_no_settings(well: Person) -> None:
    well.config.unlink()
    report = Report(well, "--offline")
    assert report.faults() == ["base URL", "API key"]
    assert "codex-transform login" in report.of("base URL")["mend"]


@pytest.mark.parametrize(
    ("text", "says", "mend"),
    [
        ('{"baseURL": ', "is damaged, line 1", "Mend it there, or delete the file"),
        ("[]", "must hold an object", "Mend"),
    ],
)
def test_a_damaged_config_file(text: str, says: str, mend: str, well: Person, sandbox: Sandbox) -> None:
    well.config.write_text(text)
    well.uses(sandbox)
    Report(well).expect("config file", "fault", says, mend)


@pytest.mark.skipif(os.name != "posix", reason="modes have no meaning there")
def test_a_config_file_that_others_can_read(well: Person) -> None:
    well.config.chmod(0o644)
    Report(well, "--offline").expect("config file", "warning", "can be read by other users", "chmod 600")


def test_a_wrong_base_url(well: Person) -> None:
    report = Report(well, "--offline", CODEX_BASE_URL="ftp://h")
    assert report.of("codex_base_url")["says"].startswith("CODEX_BASE_URL: the scheme is 'ftp'")
    assert report.of("base URL")["says"] == "not known before that is mended"  # `login` would not help
    assert report.faults() == ["codex_base_url"]


def test_nothing_is_advised_that_a_damaged_file_keeps_from_working(well: Person) -> None:
    well.config.write_text("{")
    assert Report(well, "--offline").faults() == ["config file"]


def test_plain_http_to_another_machine(well: Person) -> None:
    report = Report(well, "--offline", CODEX_BASE_URL="http://your-codex-api.com")
    report.expect("base URL", "warning", "unencrypted", "Use https")


def test_a_host_that_is_not_rewritten(well: Person) -> None:
    report = Report(well, "--offline", CODEX_HOSTS="example.com")
    report.expect("codex_hosts", "warning", "requests to api.openai.com are not rewritten")


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
    Report(well).expect(name, mark, says)


def test_a_model_that_the_endpoint_lacks(well: Person) -> None:
    Report(well, "--model", "gpt-9").expect("stream", "warning", "gpt-9 not supported here: the key works", "--model")


def test_an_endpoint_without_an_address(well: Person) -> None:
    Report(well, CODEX_BASE_URL="https://nobody.invalid").expect("dns", "fault", "no address", "from CODEX_BASE_URL")


def test_an_endpoint_beyond_another_proxy(well: Person, sandbox: Sandbox) -> None:
    """`run` goes through that one, so it may be well."""
    with company_proxy(sandbox.url) as company:
        report = Report(well, CODEX_BASE_URL="https://nobody.invalid", HTTPS_PROXY=f"http://{company.authority}")
    found = report.of("dns")
    assert found["mark"] == "warning"
    assert company.authority in found["mend"]


def test_an_endpoint_that_is_down(well: Person) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    Report(well, CODEX_BASE_URL=url).expect("tcp", "fault", "nothing listens", "It comes from CODEX_BASE_URL")
    well.config.write_text(json.dumps({"baseURL": url, "apiKey": _KEY}))
    Report(well).expect("tcp", "fault", "nothing listens", "`codex-transform login` sets it")


def test_an_endpoint_of_a_private_authority(well: Person, tmp_path: Path) -> None:
    both, trusted = certificate(tmp_path)
    with sandboxes.running(Sandbox(certfile=str(both), key=_KEY)) as endpoint:
        report = Report(well, CODEX_BASE_URL=endpoint.url)
        report.expect("tls", "fault", "an authority that is not trusted", "ssl_verify_upstream_trusted_ca")
        (well.home / ".mitmproxy" / "config.yaml").write_text(f"ssl_verify_upstream_trusted_ca: {trusted}\n")
        assert Report(well, CODEX_BASE_URL=endpoint.url).faults() == []


def test_an_old_mitmproxy(well: Person, tmp_path: Path) -> None:
    for version, mark, says in (("10.4.2", "fault", "too old"), ("13.0.0", "warning", "newer than any")):
        folder = tmp_path / version / f"mitmproxy-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mitmproxy\nVersion: {version}\n")
        path = f"{folder.parent}{os.pathsep}{ROOT}"
        Report(well, "--offline", PYTHONPATH=path).expect("mitmproxy", mark, says, "Install this package again")


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return folder


def test_a_mitmdump_of_another_environment(well: Person, tmp_path: Path) -> None:
    folder = program(tmp_path / "bin", "mitmdump", "exit 1")
    report = Report(well, "--offline", PATH=f"{folder}{os.pathsep}{well.variables['PATH']}")
    report.expect("mitmdump", "warning", "not the one of this Python", "codex-transform start")


def test_no_opencode(well: Person) -> None:
    report = Report(well, "--offline", PATH="/usr/bin:/bin")
    report.expect("OpenCode", "fault", "is not on the PATH", "npm i -g opencode-ai")
    assert "there is no OpenCode" in report.of("trust")["says"]


@pytest.mark.parametrize(
    ("script", "mark", "says"),
    [("echo 0.15.3", "warning", "older than any"), ("exit 3", "fault", "does not run")],
)
def test_another_opencode(script: str, mark: str, says: str, well: Person, tmp_path: Path) -> None:
    folder = program(tmp_path / "bin", "opencode", script)
    report = Report(well, "--offline", PATH=f"{folder}:/usr/bin:/bin")
    report.expect("OpenCode", mark, says)
    assert "does not run as Bun" in report.of("trust")["says"]
    assert "reverse mode" in report.of("trust")["mend"]


def test_an_opencode_configuration_that_it_does_not_start_with(well: Person) -> None:
    opencode_json(well, '{"provider": ')
    Report(well, "--offline").expect("configuration", "fault", "line 1", "Mend it there")


def test_an_opencode_configuration_with_a_wrong_value(well: Person) -> None:
    opencode_json(well, '{"provider": {"openai": {"options": {"reasoningEffort": 5}}}}')
    Report(well, "--offline").expect("configuration", "warning", "reasoningEffort must be text")


def test_a_base_url_that_old_opencode_does_not_start_with(well: Person, tmp_path: Path) -> None:
    opencode_json(well, json.dumps({"provider": {"openai": {"baseURL": "https://h.example"}}}))
    assert Report(well, "--offline").of("configuration")["mark"] == "ok"
    folder = program(tmp_path / "bin", "opencode", "echo 1.3.2")
    report = Report(well, "--offline", PATH=f"{folder}:/usr/bin:/bin")
    report.expect("configuration", "fault", "keeps OpenCode 1.1 and 1.3 from starting", "Take it out")


def test_models(well: Person) -> None:
    file = opencode_json(well, '{"provider": {"openai": {"models": {"gpt-5.2": {}, "gpt-5.1-codex-high": {}}}}}')
    Report(well, "--offline").expect("models", "ok", "2 configured")
    file.write_text('{"provider": {"openai": {"models": {"gpt-5.2": {}, "gpt-9": {}}}}}')
    Report(well, "--offline").expect("models", "warning", "not in the catalogue, so sent as they are: gpt-9")


def test_the_plugin_is_still_there(well: Person) -> None:
    opencode_json(well, '{"plugin": ["opencode-openai-codex-auth@4.0.0"]}')
    report = Report(well, "--offline")
    report.expect("plugin", "fault", "opencode-openai-codex-auth@4.0.0 is still loaded", "codex-transform config")


def test_no_key_for_opencode_to_begin_with(well: Person) -> None:
    del well.variables["OPENAI_API_KEY"]
    Report(well, "--offline").expect("login", "ok", "from `codex-transform run opencode`")
    report = Report(well, "--offline", HTTPS_PROXY=f"http://127.0.0.1:{free_port()}")
    assert report.of("login")["mark"] == "fault"
    assert "OPENAI_API_KEY=dummy" in report.of("login")["mend"]


def test_a_chatgpt_login(well: Person) -> None:
    """OpenCode goes to ChatGPT then, even if it has a key."""
    folder = well.home / ".local" / "share" / "opencode"
    folder.mkdir(parents=True)
    (folder / "auth.json").write_text('{"openai": {"type": "oauth", "refresh": "r", "access": "a", "expires": 0}}')
    Report(well, "--offline").expect("login", "fault", "logged in to ChatGPT", "opencode auth logout")


def test_a_damaged_certificate(well: Person) -> None:
    folder = well.home / ".mitmproxy"
    folder.mkdir()
    (folder / "mitmproxy-ca.pem").write_text("no certificate")
    (folder / "mitmproxy-ca-cert.pem").write_text("no certificate")
    report = Report(well, "--offline")
    report.expect("certificate", "fault", "is damaged", "the proxy makes a new one")
    assert "not tried" in report.of("trust")["says"]


def test_a_certificate_that_is_not_the_proxys(well: Person, tmp_path: Path) -> None:
    Report(well, "--offline")
    _, other = certificate(tmp_path)
    shutil.copy(other, well.home / ".mitmproxy" / "mitmproxy-ca-cert.pem")
    Report(well, "--offline").expect("certificate", "fault", "not the one that mitmproxy signs with", "Delete")
    for file in (well.home / ".mitmproxy").glob("mitmproxy-ca*"):
        file.unlink()
    assert Report(well, "--offline").faults() == []


def test_a_certificate_that_has_expired(well: Person, tmp_path: Path) -> None:
    both, public = certificate(tmp_path, until=timedelta(days=-1))
    folder = well.home / ".mitmproxy"
    folder.mkdir()
    shutil.copy(both, folder / "mitmproxy-ca.pem")
    shutil.copy(public, folder / "mitmproxy-ca-cert.pem")
    Report(well, "--offline").expect("certificate", "fault", "expired on", "Delete")


@pytest.fixture
def proxied(well: Person, sandbox: Sandbox) -> Any:
    """The same person, whose terminal is set up for a proxy that runs."""
    with mitmdump(well.home, sandbox) as running:
        well.variables |= {"HTTPS_PROXY": running.url, "NODE_EXTRA_CA_CERTS": str(running.ca)}
        yield running


def test_a_terminal_that_is_set_up(well: Person, proxied: Proxy) -> None:
    report = Report(well, "--port", str(proxied.port))
    report.expect("HTTPS_PROXY", "ok", "leads to this proxy")
    report.expect(f"port {proxied.port}", "ok", "this proxy listens there")
    report.expect("trust", "ok", "reached the addon")
    report.expect("other variables", "ok", "none that interferes")


def test_a_terminal_without_the_certificate(well: Person, proxied: Proxy) -> None:
    del well.variables["NODE_EXTRA_CA_CERTS"]
    mend = f"export NODE_EXTRA_CA_CERTS={proxied.ca}"
    Report(well, "--offline").expect("trust", "fault", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", mend)


def test_a_terminal_with_another_certificate(well: Person, proxied: Proxy, tmp_path: Path) -> None:
    _, other = certificate(tmp_path)
    assert proxied.port
    Report(well, "--offline", NODE_EXTRA_CA_CERTS=str(other)).expect("trust", "fault", "does not take the certificate")


def test_a_certificate_variable_that_names_no_file(well: Person, tmp_path: Path) -> None:
    report = Report(well, "--offline", NODE_EXTRA_CA_CERTS=str(tmp_path / "none.pem"))
    report.expect("NODE_EXTRA_CA_CERTS", "fault", "none.pem cannot be read", "unset it")
    (tmp_path / "none.pem").write_text("nothing\n")
    report = Report(well, "--offline", SSL_CERT_FILE=str(tmp_path / "none.pem"))
    report.expect("SSL_CERT_FILE", "fault", "holds no certificate")


@pytest.mark.parametrize("entry", ["api.openai.com", ".openai.com", "*", "localhost,openai.com"])
def test_no_proxy_covers_the_host(entry: str, well: Person, proxied: Proxy) -> None:
    assert proxied.port
    report = Report(well, "--offline", NO_PROXY=entry)
    report.expect("NO_PROXY", "fault", "covers api.openai.com", "Take that out")


def test_a_proxy_variable_that_leads_nowhere(well: Person) -> None:
    report = Report(well, "--offline", HTTPS_PROXY=f"http://127.0.0.1:{free_port()}")
    assert report.of("HTTPS_PROXY")["mark"] == "fault"
    assert "nothing listens" in report.of("HTTPS_PROXY")["says"]
    assert "codex-transform start" in report.of("HTTPS_PROXY")["mend"]


def test_a_proxy_variable_that_leads_to_another_proxy(well: Person, sandbox: Sandbox) -> None:
    """Such as a company's: `run` goes through it, so nothing is held against this terminal."""
    del well.variables["OPENAI_API_KEY"]
    with company_proxy(sandbox.url) as company:
        report = Report(well, "--offline", HTTPS_PROXY=f"http://{company.authority}")
    report.expect("HTTPS_PROXY", "warning", "something else listens")


def test_a_proxy_variable_that_leads_to_another_machine(well: Person) -> None:
    report = Report(well, "--offline", HTTPS_PROXY="http://proxy.example:3128")
    report.expect("HTTPS_PROXY", "warning", "proxy.example:3128, another machine")


def test_the_lower_case_variable_goes_first(well: Person, proxied: Proxy) -> None:
    assert proxied.port
    report = Report(well, "--offline", https_proxy=f"http://127.0.0.1:{free_port()}")
    report.expect("HTTPS_PROXY", "fault", "nothing listens")


@pytest.mark.parametrize(
    ("name", "value", "mark", "says"),
    [
        ("OPENAI_BASE_URL", "https://elsewhere.example/v1", "fault", "past the proxy"),
        ("NODE_TLS_REJECT_UNAUTHORIZED", "0", "warning", "any certificate"),
        ("ALL_PROXY", "http://127.0.0.1:9", "warning", "HTTPS_PROXY only"),
    ],
)
def test_variables_that_interfere(name: str, value: str, mark: str, says: str, well: Person) -> None:
    Report(well, "--offline", **{name: value}).expect(name, mark, says)


def test_a_port_that_is_taken(well: Person) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        report = Report(well, "--offline", "--port", str(port))
    report.expect(f"port {port}", "warning", "something else listens", "codex-transform start --port")


def test_reverse_mode(well: Person, sandbox: Sandbox, tmp_path: Path) -> None:
    def configure(port: int) -> None:
        shutil.rmtree(well.home / ".config", ignore_errors=True)
        url = f"http://127.0.0.1:{port}/v1"
        opencode_json(well, json.dumps({"provider": {"openai": {"options": {"baseURL": url}}}}))

    with mitmdump(tmp_path / "proxy-home", sandbox, "--mode", f"reverse:{sandbox.url}") as running:
        configure(running.port)
        Report(well, "--offline").expect("reverse mode", "ok", "where this proxy listens")
        there = {"HTTP_PROXY": "http://127.0.0.1:9"}
        Report(well, "--offline", **there).expect("HTTP_PROXY", "fault", "asks that proxy for this one", "NO_PROXY")
        assert Report(well, "--offline", NO_PROXY="localhost,127.0.0.1", **there).faults() == []
    configure(free_port())
    report = Report(well, "--offline")
    report.expect("reverse mode", "fault", "no proxy listens in reverse mode", "--mode reverse:")


def test_instructions_that_are_kept(well: Person) -> None:
    report = Report(well, "--offline")
    report.expect("instructions", "warning", "none kept yet", "in the background")
    mine = well.project / "mine.md"
    mine.write_text("Do as I say.")
    Report(well, "--offline", CODEX_INSTRUCTIONS_FILE=str(mine)).expect("instructions", "ok", "your own")


def test_a_home_that_cannot_be_looked_into(well: Person) -> None:
    """A name that is too long stands for a folder that is closed, which root would get into."""
    report = Report(well, "--offline", HOME=str(well.home / ("x" * 300)))
    assert "itself failed" not in report.text
    assert "make it a file of yours" in report.of("config file")["mend"].lower()
    assert report.of("certificate")["mark"] == "fault"


def test_a_log_that_cannot_be_written(well: Person) -> None:
    (well.home / ".opencode" / "logs").write_text("a file where a folder should be")
    Report(well, "--offline").expect("proxy", "fault", "No log can be written", "Make that folder your own")


def test_a_proxy_that_does_not_start(well: Person) -> None:
    (well.home / ".mitmproxy").mkdir()
    (well.home / ".mitmproxy" / "config.yaml").write_text("client_certs: /no/such/folder\n")
    report = Report(well, "--offline")
    report.expect("proxy", "fault", "Client certificate path does not exist: /no/such/folder", "all of it is in")


def test_no_home(person: Person) -> None:
    done = person.run("doctor", HOME="")
    assert done.returncode == 1
    assert "HOME" in done.stderr


def test_help_names_what_it_does(person: Person) -> None:
    done = person.run("doctor", "--help")
    assert done.returncode == 0
    assert "codex-transform doctor --json" in done.stdout
