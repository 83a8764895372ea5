"""Who a request came from, by what proxies say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.proxy.client_address import forwarded_client, is_trusted

TRUSTED = ("127.0.0.1/32", "10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        # What is left of the last stranger is the stranger's own word.
        ("127.0.0.1", "127.0.0.1, 198.51.100.9, 203.0.113.7", "203.0.113.7"),
        # One trusted proxy behind another.
        ("127.0.0.1", "198.51.100.9, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("127.0.0.1", "10.0.0.1,10.0.0.2", "10.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7, unknown", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7, ", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
        ("127.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
        ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        # Nobody believes a stranger.
        ("203.0.113.7", "198.51.100.9", "203.0.113.7"),
    ],
)
def test_the_last_address_that_is_not_trusted(peer: str, forwarded_for: str, client: str) -> None:
    assert forwarded_client(peer, forwarded_for, TRUSTED) == client


@given(st.text(max_size=80), st.ip_addresses())
def test_what_a_stranger_writes_never_counts(written: str, stranger: object) -> None:
    address = str(stranger)
    if not is_trusted(address, TRUSTED):
        assert forwarded_client("10.0.0.1", f"{written},{address}", TRUSTED) == address
        assert forwarded_client(address, written, TRUSTED) == address


def test_nobody_is_trusted_unless_told() -> None:
    assert not is_trusted("127.0.0.1", ())
    assert not is_trusted("a name", TRUSTED)
    assert is_trusted("fd00::1%eth0", TRUSTED)
