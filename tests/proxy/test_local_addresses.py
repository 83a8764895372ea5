"""Which host names and addresses are this machine's own."""

import socket
from ipaddress import IPv4Address
from string import ascii_letters

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.proxy.local_addresses import is_local_host

OTHER_CASE = str.maketrans(ascii_letters, ascii_letters.swapcase())
LOOPBACK = [
    *("localhost", "LOCALHOST", "localhost.", "my.localhost", "My.LocalHost.", socket.gethostname()),
    *("127.0.0.1", "127.1", "127.0.0.2", "127.255.255.254", "0x7f.1", "0x7F000001", "2130706433", "017700000001"),
    *("0", "0.0.0.0", "::", "::1", "[::1]", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:0.0.0.0"),
    *("127.0.0.1.", "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\uff4c\uff4f\uff43\uff41lhost", "::1%1"),
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_local_hosts(host: str) -> None:
    assert is_local_host(host)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "api.openai.com",
            "localhost.example",
            "notlocalhost",
            "127.0.0.1.example",
            "1.2.3.4.5",
            "x" * 300,
            "a..b",
            "é",
        ),
        *("198.51.100.1", "::ffff:198.51.100.1", "2001:db8::1", "224.0.0.1", "ff02::1", "256.1.1.1"),
    ],
)
def test_other_hosts(host: str) -> None:
    assert not is_local_host(host)


@given(
    st.text(st.characters(exclude_characters="[]"))
    | st.ip_addresses().map(str)
    | st.sampled_from([host.strip("[]") for host in LOOPBACK])
)
def test_brackets_case_and_a_final_dot_change_nothing(host: str) -> None:
    spellings = (host, f"[{host}]", f"{host}.", host.translate(OTHER_CASE))
    assert len({is_local_host(spelling) for spelling in spellings}) == 1


@given(st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_loopback_addresses_are_local_in_any_notation(address: IPv4Address) -> None:
    number = int(address)
    notations = [
        str(address),
        str(number),
        hex(number),
        f"0{number:o}",
        f"127.{number & 0xFFFFFF}",
        f"::ffff:{address}",
    ]
    assert all(map(is_local_host, notations))


def test_addresses_of_the_machines_interfaces_are_local() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            pytest.skip("this machine is on no network")
        own = probe.getsockname()[0]
    assert is_local_host(own)
    assert is_local_host(f"::ffff:{own}")
