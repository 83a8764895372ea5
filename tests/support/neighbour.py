"""Another machine on the network, as the kernel sees it: a network namespace at the other end of a virtual cable.

Needs root and iproute2 on Linux. Nothing leaves this machine; the addresses are those for benchmarks (RFC 2544).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address

from support import wire
from support.needed import skip_or_fail


@dataclass(frozen=True)
class Neighbour:
    """The other machine: its `address`, and `ours`, this machine's address as seen from there."""

    name: str
    address: str
    ours: str

    def command(self, *arguments: object) -> list[str]:
        """Return the command line that runs a program there."""
        return ["ip", "netns", "exec", self.name, *map(str, arguments)]

    def talk(self, port: int, data: bytes, more: int = 0) -> bytes:
        """Send bytes, and then this many blocks of 64 KiB, to a port of this machine; return the answer."""
        arguments = self.command(sys.executable, wire.__file__, self.ours, port, data.hex(), more)
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
        return bytes.fromhex(done.stdout)


@contextmanager
def neighbour() -> Iterator[Neighbour]:
    """Set up the other machine and remove it; skip the test with what is missing, or fail it in CI."""
    number = os.getpid()
    # Each process has its own network of four addresses.
    network = ip_address("198.18.0.0") + 4 * (number % 2**15)
    other = Neighbour(f"codex-{number}", str(network + 2), str(network + 1))
    our_end, their_end = f"cdx{number}a", f"cdx{number}b"
    steps = [
        f"netns add {other.name}",
        f"link add {our_end} type veth peer name {their_end} netns {other.name}",
        f"addr add {other.ours}/30 dev {our_end}",
        f"link set {our_end} up",
        f"-n {other.name} addr add {other.address}/30 dev {their_end}",
        f"-n {other.name} link set {their_end} up",
        f"-n {other.name} link set lo up",
    ]
    if shutil.which("ip") is None:
        skip_or_fail("iproute2 is not installed: apt-get install iproute2")
    try:
        for step in steps:
            done = subprocess.run(["ip", *step.split()], capture_output=True, text=True, timeout=30, check=False)
            if done.returncode:
                skip_or_fail(f"`ip {step}`, as root on Linux: {done.stderr.strip()}")
        yield other
    finally:
        for step in (f"link del {our_end}", f"netns del {other.name}"):
            subprocess.run(["ip", *step.split()], capture_output=True, timeout=30, check=False)
