"""`run` in a company's network: the company's CA stays trusted, and its proxy is used."""

import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import company_proxy
from support.certificates import certificate
from support.commands import Person
from support.raw_host import Answer, raw_host
from support.running import CLIENT

from codex_transform import sandbox as sandboxes
from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate

FETCHES = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=30).status)"


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The URL of a server with a certificate from the company's CA, and the file of that CA."""
    both, trusted = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(both)
    with raw_host(tls) as host:
        host.answers["hello"] = Answer(b"hello")
        yield f"{host.root}/hello", trusted


def test_the_companys_ca_and_ours_are_trusted(ready: Person, authority: tuple[str, Path]) -> None:
    url, trusted = authority
    both = f"{FETCHES}\nexec(open({CLIENT[1]!r}).read())"
    done = ready.run("run", sys.executable, "-c", both, url, SSL_CERT_FILE=str(trusted))
    assert done.returncode == 0, done.stderr + ready.logs
    assert done.stdout.startswith("200\n")
    assert "[sandbox]" in done.stdout
    # Without the variable the company's server is not trusted.
    quietly = ["sh", "-c", '"$0" "$@" 2>/dev/null']
    assert ready.run("run", *quietly, sys.executable, "-c", FETCHES, url).returncode == 1


def test_every_ca_variable_keeps_the_companys_certificates(ready: Person, authority: tuple[str, Path]) -> None:
    _, trusted = authority
    names = (
        "NODE_EXTRA_CA_CERTS",
        "DENO_CERT",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "CODEX_CA_CERTIFICATE",
        "NIX_SSL_CERT_FILE",
    )
    shows = "".join(f'cat "${name}"; echo =====;' for name in names)
    done = ready.run("run", "sh", "-c", shows, **dict.fromkeys(names, str(trusted)))
    ours = (ready.home / ".mitmproxy" / "mitmproxy-ca-cert.pem").read_text()
    bundles = done.stdout.split("=====")[:-1]
    assert len(bundles) == len(names)
    for bundle in bundles:
        assert trusted.read_text() in bundle
        assert ours in bundle


def test_a_folder_of_certificates_stays_trusted(ready: Person, authority: tuple[str, Path]) -> None:
    """The variable itself is removed: some programs would read nothing else, and not trust the proxy."""
    url, trusted = authority
    folder = ready.home / "certificates"
    folder.mkdir()
    trusted.rename(folder / "company.pem")
    both = f"{FETCHES}\nimport os; print('SSL_CERT_DIR' in os.environ)\nexec(open({CLIENT[1]!r}).read())"
    done = ready.run("run", sys.executable, "-c", both, url, SSL_CERT_DIR=f"{folder}:/no/such/folder")
    assert done.returncode == 0, done.stderr + ready.logs
    assert done.stdout.startswith("200\nFalse\n")
    assert "[sandbox]" in done.stdout
    assert done.stderr.count("SSL_CERT_DIR") == 1
    assert "SSL_CERT_DIR=/no/such/folder cannot be read" in done.stderr


def test_an_unreadable_ca_file_is_warned_of_and_ignored(ready: Person) -> None:
    done = ready.run("run", *CLIENT, SSL_CERT_FILE="/no/such/file.pem")
    assert done.returncode == 0, done.stderr
    assert "SSL_CERT_FILE=/no/such/file.pem cannot be read" in done.stderr


@pytest.mark.parametrize(
    ("variable", "base_url"),
    [("HTTPS_PROXY", "https://codex.example"), ("ALL_PROXY", "http://codex.example")],
)
def test_requests_go_through_the_companys_proxy(variable: str, base_url: str, person: Person, tmp_path: Path) -> None:
    both, _ = certificate(tmp_path)
    tls = str(both) if base_url.startswith("https") else None
    with sandboxes.running(Sandbox(certfile=tls)) as sandbox, company_proxy.running(sandbox.url, "u:p w") as company:
        person.variables |= {"CODEX_BASE_URL": base_url, "CODEX_API_KEY": sandbox.key}
        (person.home / ".mitmproxy").mkdir()
        # The sandbox's certificate is for another name.
        (person.home / ".mitmproxy" / "config.yaml").write_text("ssl_insecure: true")
        done = person.run("run", *CLIENT, **{variable: f"http://u:p%20w@{company.authority}"})
    assert done.returncode == 0, done.stderr + person.logs
    assert "[sandbox]" in done.stdout
    assert not done.stderr
    assert [line.removesuffix(" HTTP/1.1") for line in company.request_lines] == [
        f"CONNECT codex.example:{443 if tls else 80}"
    ]
    assert "p w" not in person.logs


def test_requests_to_this_machine_bypass_the_companys_proxy(ready: Person, sandbox: Sandbox) -> None:
    with company_proxy.running(sandbox.url) as company:
        done = ready.run("run", *CLIENT, HTTPS_PROXY=f"http://{company.authority}")
    assert done.returncode == 0, done.stderr + ready.logs
    assert not company.request_lines


def test_requests_to_hosts_in_no_proxy_bypass_the_companys_proxy(person: Person, sandbox: Sandbox) -> None:
    person.variables |= {"CODEX_BASE_URL": "https://codex.invalid", "CODEX_API_KEY": sandbox.key}
    with company_proxy.running(sandbox.url) as company:
        environ = {"HTTPS_PROXY": f"http://{company.authority}", "NO_PROXY": "codex.invalid"}
        done = person.run("run", "sh", "-c", '"$0" "$@" 2>/dev/null', *CLIENT, **environ)
    assert done.returncode == 1
    assert not company.request_lines
    assert "codex.invalid" in person.logs


def test_a_proxy_that_cannot_be_used_is_ignored(ready: Person) -> None:
    """What else cannot be used is in launcher/test_child_env.py."""
    done = ready.run("run", *CLIENT, HTTPS_PROXY="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert "HTTPS_PROXY names http://127.0.0.1:9, where nothing listens" in done.stderr
    assert "[sandbox]" in done.stdout
