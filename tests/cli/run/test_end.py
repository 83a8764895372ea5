"""`run` forwards signals to its command, and leaves no process behind, however it ends."""

import os
import re
import signal
import socket
import sys

import pexpect
import pytest
from support.commands import Person
from support.waiting import eventually

pytestmark = pytest.mark.gate

# The signals are blocked, so one that arrives before `sigwait` is kept for it.
SAYS_SIGNALS = """
import signal, sys
awaited = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1}
signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
print("begun", flush=True)
print(signal.Signals(signal.sigwait(awaited)).name)
sys.exit(5)
"""

COUNTS = """
import signal, sys
signal.signal(signal.SIGINT, lambda number, frame: print("SIGINT", flush=True))
print("begun", flush=True)
sys.stdin.readline()
"""

# One process from the start to the end; a shell would start another one.
STAYS = [sys.executable, "-c", "import signal; print('begun', flush=True); signal.sigwait({signal.SIGUSR2})"]

# The proxy is the other child of the command's parent. It has ended when that child is gone or a zombie: state Z and no
# other thread left (the state is Z as soon as the first thread has ended).
ENDS_THE_PROXY = """
import os, pathlib, signal, threading
def stat(process):
    try:
        return process.joinpath("stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
def has_ended(process):
    now = stat(process)
    return now is None or (now[0] == "Z" and int(now[17]) < 2)
for process in pathlib.Path("/proc").glob("[0-9]*"):
    now = stat(process)
    if now and now[1] == str(os.getppid()) and process.name != str(os.getpid()):
        os.kill(int(process.name), signal.SIGTERM)
        waiting = threading.Event()
        assert any(has_ended(process) or waiting.wait(0.02) for _ in range(3000))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_a_signal_goes_to_the_command(name: str, ready: Person) -> None:
    process = ready.start("run", sys.executable, "-c", SAYS_SIGNALS)
    process.send_signal(getattr(signal, name))
    said, _ = process.communicate(timeout=60)
    assert said.splitlines()[0] == name
    assert process.returncode == 5
    assert ready.wait_until_gone()


def test_the_proxy_ends_when_run_is_killed(ready: Person) -> None:
    process = ready.start("run", *STAYS)
    assert len(ready.leftovers()) == 3
    process.kill()
    process.wait(60)
    # The command keeps running, because nothing could tell it to stop.
    assert eventually(lambda: len(ready.leftovers()) == 1), ready.leftovers()
    os.killpg(process.pid, signal.SIGKILL)
    assert process.stdout is not None
    process.stdout.close()
    assert ready.wait_until_gone()


def test_ctrl_c_at_a_terminal_goes_to_the_command_once(ready: Person) -> None:
    with ready.at_terminal("run", sys.executable, "-c", COUNTS) as child:
        child.expect("begun")
        child.send("\x03")
        child.expect("SIGINT")
        child.send("\x03")
        child.expect("SIGINT")
        child.sendline()
        assert "SIGINT" not in child.read()
        child.close()
    assert child.exitstatus == 0
    assert ready.wait_until_gone()


def test_the_command_owns_the_terminal(ready: Person) -> None:
    says = "import os; print('ours' if os.tcgetpgrp(0) == os.getpgrp() else 'not ours', os.get_terminal_size())"
    with ready.at_terminal("run", sys.executable, "-c", says) as child:
        said = child.read()
    assert "ours os.terminal_size(columns=120, lines=40)" in said


JOB = """
import signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCONT})
print("asleep", flush=True)
while True:
    signal.sigwait({signal.SIGCONT})
    print("awake", flush=True)
"""


def test_job_control_works_in_a_shell(ready: Person) -> None:
    """The keys are pressed once the job has the terminal, which shows by output that has not been typed."""
    (ready.project / "job.py").write_text(JOB)
    with ready.at_terminal("run", "bash", "--norc", "-i", PS1="ask> ") as child:
        child.expect_exact("ask> ")
        child.sendline(f'"{sys.executable}" job.py')
        child.expect("asleep")
        child.send("\x1a")
        child.expect("Stopped")
        child.expect_exact("ask> ")
        child.sendline("fg")
        child.expect("awake")
        child.send("\x03")
        child.expect_exact("ask> ")
        child.sendline("exit 4")
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 4
    assert ready.wait_until_gone()


def test_the_proxys_port_is_closed_afterwards(ready: Person) -> None:
    port = int(ready.run("run", "sh", "-c", "echo ${HTTPS_PROXY##*:}").stdout)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


def test_a_proxy_that_ends_before_the_command_is_reported(ready: Person) -> None:
    done = ready.run("run", sys.executable, "-c", ENDS_THE_PROXY)
    assert done.returncode == 0, done.stderr
    assert "the proxy ended before the command did" in done.stderr
    assert "listening at" in done.stderr


def test_mitmweb_gets_a_free_port_and_ends_with_the_command(ready: Person) -> None:
    (ready.home / ".mitmproxy").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = f"web_open_browser: false\nweb_port: {taken.getsockname()[1]}\n"
        (ready.home / ".mitmproxy" / "config.yaml").write_text(config)
        process = ready.start("run", "--web", *STAYS)
        port = int(re.findall(r"http://127\.0\.0\.1:(\d+)/", ready.logs)[0])
        assert port != taken.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), 5).close()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert ready.wait_until_gone()
