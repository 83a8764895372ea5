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


on_posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals for a single process")


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
def test_the_program_prints_its_address_serves_and_ends_at_a_signal(number: signal.Signals) -> None:
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
def test_an_interrupt_ends_it_even_if_interrupts_were_ignored_at_its_start() -> None:
    with program("sh", "-c", "trap '' INT; exec \"$@\"", "sh", *COMMAND) as (process, output):
        assert output.readline().startswith("sandbox: http://")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_list_prints_all_faults(capsys: pytest.CaptureFixture[str]) -> None:
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
def test_invalid_options_are_explained(capsys: pytest.CaptureFixture[str], options: list[str], message: str) -> None:
    assert main(options) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_an_invalid_port_is_explained(capsys: pytest.CaptureFixture[str], port: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--port", port])
    assert "--port" in capsys.readouterr().err


def test_a_port_in_use_is_explained(sandbox: Sandbox) -> None:
    second = subprocess.run([*COMMAND, "--port", str(sandbox.port)], capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert "in use" in second.stderr
    assert "Traceback" not in second.stderr
