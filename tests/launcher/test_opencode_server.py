"""OpenCode 2 is recognized by the version that it prints, its server by the state file."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_transform.launcher.opencode_server import is_version_2, service_of
from codex_transform.opencode import server


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.18.33", False),
        ("1.1.65\n", False),
        ("2.0.4", True),
        ("v2.0.4", True),
        ("opencode2 v2.0.4", True),
        ("opencode2 10.0.0", True),
        ("lildax vlocal", True),
        ("lildax v1.18.18", True),
        ("", False),
        ("error: no such flag", False),
    ],
)
def test_opencode_2_is_recognized_by_its_version(version: str, expected: bool) -> None:
    assert is_version_2(version) is expected


def program(folder: Path, name: str, says: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_only_commands_of_opencode_2_that_need_its_server_use_it(tmp_path: Path) -> None:
    two = str(program(tmp_path, "opencode", "2.1.0"))
    one = str(program(tmp_path, "opencode-1", "1.18.33"))
    link = tmp_path / "oc"
    link.symlink_to(two)
    environ = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    for command in (["opencode"], [two], [str(link)], [two, "run", "hello"], [two, "--model", "x"]):
        assert service_of(command, environ), command
    for command in (
        [one],
        ["not-there"],
        ["sh", "-c", "opencode"],
        [two, "serve"],
        [two, "service", "status"],
        [two, "--version"],
        [two, "--standalone"],
        [two, "run", "--standalone", "hello"],
    ):
        assert service_of(command, environ) is None, command


def test_a_program_of_another_name_is_not_run_for_its_version(tmp_path: Path) -> None:
    other = tmp_path / "tool"
    other.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\necho 2.0.0\n")
    other.chmod(0o755)
    assert service_of([str(other)], {"PATH": os.environ["PATH"]}) is None
    assert not (tmp_path / "asked").exists()


@pytest.fixture
def url() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def write(home: Path, text: str, name: str = "service.json") -> None:
    folder = home / ".local" / "state" / "opencode"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


@pytest.mark.parametrize("name", ["service.json", "service-next.json", "server.json"])
def test_a_server_that_listens_is_found_by_its_state_file(name: str, url: str, tmp_path: Path) -> None:
    write(tmp_path, json.dumps({"pid": os.getpid(), "url": url, "password": "hush"}), name)
    (found,) = server.running({}, tmp_path)
    assert (found.pid, found.url) == (os.getpid(), url)
    assert "hush" not in repr(found)
    elsewhere = {"XDG_STATE_HOME": str(tmp_path / ".local" / "state")}
    assert server.running(elsewhere, tmp_path / "other")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "{}",
        '{"pid": 1}',
        '{"pid": "1", "url": "URL"}',
        '{"pid": 0, "url": "URL"}',
        '{"pid": 1, "url": 5}',
    ],
)
def test_an_invalid_state_file_is_ignored(text: str, url: str, tmp_path: Path) -> None:
    write(tmp_path, text.replace("URL", url))
    assert not server.running({}, tmp_path)


def test_the_state_file_of_a_server_that_has_gone_is_ignored(tmp_path: Path) -> None:
    for gone in ("http://127.0.0.1:9", "http://[", "nowhere"):
        write(tmp_path, json.dumps({"pid": os.getpid(), "url": gone}))
        assert not server.running({}, tmp_path)


def test_if_the_servers_environment_is_unreadable_its_settings_file_is_used(url: str, tmp_path: Path) -> None:
    write(tmp_path, json.dumps({"pid": 2**22 + 5, "url": url}))
    folder = tmp_path / ".config" / "opencode"
    folder.mkdir(parents=True)
    (folder / "service.json").write_text('{"env": {"HTTPS_PROXY": "http://127.0.0.1:8080", "X": 5}}')
    (found,) = server.running({}, tmp_path)
    assert not found.is_whole
    assert found.https_proxy == "http://127.0.0.1:8080"
