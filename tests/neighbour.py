"""Another machine on the network, as far as the kernel can tell: a network namespace at the other end of a cable.

Needs root and iproute2 on Linux. Nothing leaves this machine; the addresses are those for benchmarks (RFC 2544).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

# Connects, sends, and prints one whole answer, or what there was of it, as hexadecimal digits.
_TALK = """
import re, socket, sys
def is_whole(answer):
    head, end, body = answer.partition(b"\\r\\n\\r\\n")
    length = re.search(rb"(?i)content-length: (\\d+)", head)
    return end and len(body) >= int(length[1] if length else 0)
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) as client:
    try:
        client.sendall(bytes.fromhex(sys.argv[3]))
        for _ in range(int(sys.argv[4])):
            client.sendall(bytes(65536))
    except OSError as error:
        print(error, file=sys.stderr)
    answer = b""
    try:
        while not is_whole(answer) and (piece := client.recv(65536)):
            answer += piece
    except ConnectionResetError:
        pass
print(answer.hex())
"""


@dataclass(frozen=True)
class Neighbour:
    """The other machine: its `address`, and `ours` as it sees this one."""

    name: str
    address: str
    ours: str

    def command(self, *arguments: object) -> list[str]:
        """A command line that runs a program there."""
        return ["ip", "netns", "exec", self.name, *map(str, arguments)]

    def talk(self, port: int, data: bytes, more: int = 0) -> bytes:
        """Sends bytes to a port of this machine, then as many blocks of 64 KiB; gives the answer."""
        arguments = self.command(sys.executable, "-c", _TALK, self.ours, port, data.hex(), more)
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
        return bytes.fromhex(done.stdout)


@contextmanager
def neighbour() -> Iterator[Neighbour]:
    """Sets it up and takes it away; skips the test with what is missing, but fails it in CI."""
    number = os.getpid()
    there = Neighbour(f"codex-{number}", f"198.18.{number % 250}.2", f"198.18.{number % 250}.1")
    here, theirs = f"cdx{number}a", f"cdx{number}b"
    steps = [
        f"netns add {there.name}",
        f"link add {here} type veth peer name {theirs} netns {there.name}",
        f"addr add {there.ours}/30 dev {here}",
        f"link set {here} up",
        f"-n {there.name} addr add {there.address}/30 dev {theirs}",
        f"-n {there.name} link set {theirs} up",
        f"-n {there.name} link set lo up",
    ]
    if shutil.which("ip") is None:
        _cannot("iproute2 is not there: apt-get install iproute2")
    try:
        for step in steps:
            done = subprocess.run(["ip", *step.split()], capture_output=True, text=True, timeout=30, check=False)
            if done.returncode:
                _cannot(f"`ip {step}`, as root on Linux: {done.stderr.strip()}")
        yield there
    finally:
        for step in (f"link del {here}", f"netns del {there.name}"):
            subprocess.run(["ip", *step.split()], capture_output=True, timeout=30, check=False)


def _cannot(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)
