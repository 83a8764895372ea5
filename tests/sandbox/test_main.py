"""`python -m codex_transform.sandbox` as a program."""

import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest

from codex_transform.sandbox import FAULTS, Sandbox
from codex_transform.sandbox.__main__ import main

COMMAND = [sys.executable, "-m", "codex_transform.sandbox"]


on_posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send to one process")


@contextmanager
def program(*command: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


@on_posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_tells_its_address_serves_and_ends_when_told(number: signal.Signals) -> None:
    with program(*COMMAND, "--misbehave", "plain-500") as (process, output):
        found = re.fullmatch(r"sandbox: http://127\.0\.0\.1:(\d+) key (sk-sandbox-\w+)\n", output.readline())
        assert found
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
        connection.request("GET", "/sandbox/misbehave")
        assert connection.getresponse().read().startswith(b'{"name":"plain-500"')
        connection.request("POST", "/v1/responses", b"{}")
        assert connection.getresponse().status == 401
        process.send_signal(number)
        assert process.wait(30) == 0
        connection.close()
        rest = output.read()
    assert "No model answers here" in rest
    assert "POST /v1/responses 401" in rest
    assert rest.endswith("sandbox: ended\n")


@on_posix
def test_ends_though_it_was_started_with_interrupts_ignored() -> None:
    with program("sh", "-c", "trap '' INT; exec \"$@\"", "sh", *COMMAND) as (process, output):
        assert output.readline().startswith("sandbox: http://")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_lists_the_misbehaviours(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(FAULTS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--misbehave", "nonsense"], "there is no fault 'nonsense'"),
        (["--host", "0.0.0.0"], "loopback only"),
        (["--cert", "/nowhere/cert.pem"], "No such file"),
    ],
)
def test_says_what_it_cannot_use(capsys: pytest.CaptureFixture[str], options: list[str], message: str) -> None:
    assert main(options) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_says_what_is_no_port(capsys: pytest.CaptureFixture[str], port: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--port", port])
    assert "--port" in capsys.readouterr().err


def test_says_that_a_port_is_taken(sandbox: Sandbox) -> None:
    taken = subprocess.run([*COMMAND, "--port", str(sandbox.port)], capture_output=True, text=True, check=False)
    assert taken.returncode == 2
    assert "in use" in taken.stderr
    assert "Traceback" not in taken.stderr
