"""The team's setup of docs/team.md: HAProxy and its workers, at ports that the kernel chooses."""

import csv
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from codex_transform.people import register
from codex_transform.people.person import Limits, new_person
from codex_transform.sandbox import Sandbox
from support.needed import skip_or_fail
from support.ports import reserved
from support.running import ROOT
from support.waiting import eventually

FOLDER = ROOT / "docs" / "team"
UNIT = FOLDER / "codex-transform@.service"
CONFIG = FOLDER / "haproxy.cfg"
WORKERS = (1, 2, 3, 4)
API, FORWARD = 8080, 8088
_PORTS = (API, FORWARD, *(base + number for base in (8080, 8180, 9100) for number in WORKERS))


def haproxy() -> str:
    """Return the path of HAProxy."""
    path = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
    return shutil.which("haproxy", path=path) or skip_or_fail("haproxy is not installed: apt install haproxy")


def settings_of(unit: Path) -> tuple[list[str], dict[str, str]]:
    """Return the command and the variables of a systemd unit."""
    lines = unit.read_text("utf-8").splitlines()
    (command,) = (line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart="))
    pairs = (line.removeprefix("Environment=").split("=", 1) for line in lines if line.startswith("Environment="))
    return shlex.split(command), dict(pairs)


@dataclass
class Team:
    """Running workers, HAProxy in front of them, and the keys of two people."""

    folder: Path
    sandbox: Sandbox
    ports: dict[int, int]
    keys: dict[str, str] = field(default_factory=dict)
    workers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[API]}/v1"

    def invite(self, *names: str) -> None:
        people = []
        for name in names:
            person, self.keys[name] = new_person(name, Limits())
            people.append(person)
        register.save(self.home / ".opencode" / "codex-clients.json", people)

    def start_worker(self, number: int) -> None:
        """Start a worker as systemd would."""
        command, variables = settings_of(UNIT)
        endpoint = {"CODEX_BASE_URL": self.sandbox.url, "CODEX_API_KEY": self.sandbox.key}

        def fill_in(text: str) -> str:
            text = re.sub(
                r"\b(80|81)8%i|\b910%i", lambda match: str(self.ports[int(match[0][:-2] + str(number))]), text
            )
            return text.replace("${CODEX_BASE_URL}", endpoint["CODEX_BASE_URL"])

        environ = {
            **{name: fill_in(value) for name, value in variables.items()},
            **endpoint,
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "CODEX_CATALOG_URL": "http://127.0.0.1:9/none",
        }
        arguments = [fill_in(argument) for argument in command[1:]]
        with (self.folder / f"worker{number}.log").open("ab") as log:
            self.workers[number] = subprocess.Popen(
                [sys.executable, "-m", "codex_transform", *arguments],
                env=environ,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")

    def is_ready(self, number: int) -> bool:
        client = HTTPConnection("127.0.0.1", self.ports[9100 + number], timeout=5)
        try:
            client.request("GET", "/readyz")
            return client.getresponse().status == 200
        except OSError:
            return False
        finally:
            client.close()

    def states(self, backend: str = "workers") -> dict[str, dict[str, str]]:
        """Return HAProxy's statistics of each worker, by name."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(str(self.folder / "admin.sock"))
            admin.sendall(b"show stat\n")
            answer = b"".join(iter(lambda: admin.recv(65536), b"")).decode()
        rows = csv.DictReader(answer.removeprefix("# ").splitlines())
        return {row["svname"]: row for row in rows if row["pxname"] == backend and row["svname"] != "BACKEND"}

    def streams(self) -> int:
        return sum(int(row["scur"]) for row in self.states().values())

    def wait(self, condition: Callable[[], bool], seconds: float = 90) -> None:
        assert eventually(condition, seconds), "\n".join(
            self.log(path.stem)[-2000:] for path in self.folder.glob("*.log")
        )

    def wait_until_up(self, *numbers: int) -> None:
        self.wait(lambda: all(self.is_ready(number) for number in numbers))
        self.wait(lambda: all(self.states()[f"worker{number}"]["status"] == "UP" for number in numbers))

    def served_by(self) -> list[tuple[str, str]]:
        """Return each conversation in HAProxy's log, with the worker that served it."""
        found = re.findall(r" workers/(\S+) \S+ \S+ \S+ \S+ \S+ \S+ \S+ \S+ \{([^}]*)\} ", self.log("haproxy"))
        return [(conversation, worker) for worker, conversation in found]


@contextmanager
def running(folder: Path, sandbox: Sandbox) -> Iterator[Team]:
    """Run workers and HAProxy until the block is left."""
    program = haproxy()
    with ExitStack() as stack:
        team = Team(folder, sandbox, {port: stack.enter_context(reserved()) for port in _PORTS})
        team.home.mkdir()
        team.invite("alice", "bob")
        stack.callback(_end_all, team.workers)
        # The first one creates the certificate authority that all of them use.
        team.start_worker(1)
        team.wait(lambda: team.is_ready(1))
        for number in WORKERS[1:]:
            team.start_worker(number)
        config = folder / "haproxy.cfg"
        config.write_text(config_for(team))
        with (folder / "haproxy.log").open("wb") as log:
            balancer = subprocess.Popen(
                [program, "-db", "-f", config], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        stack.callback(_end, balancer)
        team.wait(lambda: (folder / "admin.sock").exists())
        team.wait_until_up(*WORKERS)
        yield team


def config_for(team: Team) -> str:
    """Return the documented configuration with other ports, and without what only root may use."""
    text = re.sub(r"^ *(user|group|maxconn) .*\n", "", CONFIG.read_text("utf-8"), flags=re.MULTILINE)
    text = text.replace("log /dev/log local0", "log stdout format raw local0")
    text = re.sub(r"stats socket \S+", f"stats socket {team.folder / 'admin.sock'}", text)
    text, changed = re.subn(
        r"(?<=[:t ])(80[0-9]{2}|81[0-9]{2}|91[0-9]{2})\b", lambda port: str(team.ports[int(port[1])]), text
    )
    assert changed >= len(_PORTS)
    return text


def _end_all(workers: dict[int, subprocess.Popen[bytes]]) -> None:
    for worker in workers.values():
        worker.terminate()
    for worker in workers.values():
        _end(worker)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process: a second signal ends a worker that drains, but two at the same moment count as one."""
    for _ in range(100):
        process.terminate()
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()
    process.wait()
