"""The CA files for the command: they keep what the user trusts, and nothing else gets in."""

import os
import ssl
import sys
from pathlib import Path

import pytest
from support.certificates import certificate

from codex_transform.launcher import ca_bundle


@pytest.fixture
def authority(tmp_path: Path) -> str:
    folder = tmp_path / "proxy"
    folder.mkdir()
    return certificate(folder)[1].read_text()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_files_that_replace_the_default_cas_hold_them_too(authority: str, out: Path) -> None:
    variables, warnings = ca_bundle.ca_variables({}, authority, out)
    assert set(variables) == {"NODE_EXTRA_CA_CERTS", "DENO_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}
    assert not warnings
    for name, path in variables.items():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(path)
        assert (len(context.get_ca_certs()) > 50) == (name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"))


def test_the_certificates_of_ssl_cert_dir_are_added(authority: str, out: Path, tmp_path: Path) -> None:
    both, trusted = certificate(tmp_path)
    folder = tmp_path / "folder"
    (folder / "deeper").mkdir(parents=True)
    both.rename(folder / "with-its-key.pem")
    (folder / "0a1b2c3d.0").write_text(trusted.read_text())
    (folder / "README").write_text("not a certificate")
    environ = {"SSL_CERT_DIR": f"{os.pathsep}{folder}"}
    variables, warnings = ca_bundle.ca_variables(environ, authority, out)
    assert not warnings
    text = Path(variables["SSL_CERT_FILE"]).read_text()
    assert text.count(trusted.read_text().strip()) == 1
    assert authority in text
    assert text.count("BEGIN CERTIFICATE") > 50
    assert "PRIVATE KEY" not in text
    assert "not a certificate" not in text
    assert trusted.read_text().strip() not in Path(variables["REQUESTS_CA_BUNDLE"]).read_text()
    assert set(ca_bundle.REPLACED) == {"SSL_CERT_DIR"}


def test_the_users_file_and_folder_both_count(authority: str, out: Path, tmp_path: Path) -> None:
    _, file = certificate(tmp_path)
    folder = tmp_path / "folder"
    folder.mkdir()
    _, other = certificate(folder)
    environ = {"SSL_CERT_FILE": str(file), "SSL_CERT_DIR": str(folder)}
    text = Path(ca_bundle.ca_variables(environ, authority, out)[0]["SSL_CERT_FILE"]).read_text()
    assert text.count("BEGIN CERTIFICATE") == 3
    for each in (file.read_text(), other.read_text(), authority):
        assert each.strip() in text


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="nothing is unreadable here")
def test_unreadable_files_in_a_folder_are_skipped(authority: str, out: Path, tmp_path: Path) -> None:
    _, trusted = certificate(tmp_path)
    folder = tmp_path / "folder"
    folder.mkdir()
    trusted.rename(folder / "company.pem")
    (folder / "a.key").touch(mode=0)
    variables, warnings = ca_bundle.ca_variables({"SSL_CERT_DIR": str(folder)}, authority, out)
    assert not warnings
    assert (folder / "company.pem").read_text().strip() in Path(variables["SSL_CERT_FILE"]).read_text()


@pytest.mark.parametrize("name", ["CURL_CA_BUNDLE", "CODEX_CA_CERTIFICATE", "NIX_SSL_CERT_FILE"])
def test_variables_with_precedence_get_the_proxys_ca_too(name: str, authority: str, out: Path, tmp_path: Path) -> None:
    _, trusted = certificate(tmp_path)
    variables, warnings = ca_bundle.ca_variables({name: str(trusted)}, authority, out)
    assert not warnings
    text = Path(variables[name]).read_text()
    assert trusted.read_text() in text
    assert authority in text
