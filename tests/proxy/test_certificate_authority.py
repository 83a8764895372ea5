"""Proxies that start at the same time in an empty home have one certificate authority."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from cryptography.x509 import load_pem_x509_certificate
from mitmproxy.certs import CertStore
from mitmproxy.options import CONF_BASENAME, KEY_SIZE

from codex_transform.proxy.certificate_authority import authority_options, create_authority


def test_proxies_that_create_it_at_once_share_one(tmp_path: Path) -> None:
    folder, number = tmp_path / "home" / ".mitmproxy", 6
    barrier = Barrier(number)

    def start(_: int) -> bytes:
        barrier.wait()
        create_authority(folder, 1024)
        store = CertStore.from_store(folder, CONF_BASENAME, KEY_SIZE)
        return store.default_ca.to_pem()

    with ThreadPoolExecutor(number) as threads:
        authorities = {*threads.map(start, range(number))}
    assert authorities == {(folder / "mitmproxy-ca-cert.pem").read_bytes()}
    assert stat.S_IMODE((folder / "mitmproxy-ca.pem").stat().st_mode) == 0o600
    other = tmp_path / "other"
    CertStore.create_store(other, CONF_BASENAME, 1024)
    assert {file.name for file in folder.iterdir()} == {file.name for file in other.iterdir()}


def test_an_existing_authority_is_kept(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("ssl_insecure: false\n")
    create_authority(tmp_path, 1024)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    create_authority(tmp_path, 1024)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    assert load_pem_x509_certificate(before[tmp_path / "mitmproxy-ca-cert.pem"]).subject == (
        load_pem_x509_certificate(before[tmp_path / "mitmproxy-ca.pem"]).subject
    )


def test_a_folder_that_cannot_be_made_is_named_with_the_fix(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for folder in (file, file / ".mitmproxy"):
        with pytest.raises(SystemExit, match=r"cannot be used: .*\. Fix: move the file away") as ended:
            create_authority(folder, 1024)
        assert str(folder) in str(ended.value)
    assert file.read_text() == ""


@pytest.mark.parametrize("left", [0.0, 0.3, 0.9])
def test_files_that_were_cut_are_to_be_deleted(tmp_path: Path, left: float) -> None:
    create_authority(tmp_path, 1024)
    file = tmp_path / "mitmproxy-ca.pem"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(left * len(whole))])
    with pytest.raises(SystemExit, match=r"mitmproxy-ca\.pem is damaged\. Fix: delete .*mitmproxy-ca\*"):
        create_authority(tmp_path, 1024)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], (Path.home() / ".mitmproxy", KEY_SIZE)),
        (["--set", "confdir=/a", "-s", "x.py"], (Path("/a"), KEY_SIZE)),
        (["--set=confdir=/a=b", "--set", "key_size=4096"], (Path("/a=b"), 4096)),
        (["--set", "key_size=large"], (Path.home() / ".mitmproxy", KEY_SIZE)),
    ],
)
def test_options_of_mitmproxy_are_followed(arguments: list[str], expected: tuple[Path, int]) -> None:
    assert authority_options(arguments) == expected
