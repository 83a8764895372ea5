"""The address that a request came from, according to trusted proxies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.proxy.client_address import forwarded_client, is_trusted

TRUSTED = ("127.0.0.1/32", "10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        # Whatever is left of the last untrusted address was written by that client.
        ("127.0.0.1", "127.0.0.1, 198.51.100.9, 203.0.113.7", "203.0.113.7"),
        # Two trusted proxies, one behind the other.
        ("127.0.0.1", "198.51.100.9, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("127.0.0.1", "10.0.0.1,10.0.0.2", "10.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7, unknown", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7, ", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
        ("127.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
        ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        # A client that is not a trusted proxy is not believed.
        ("203.0.113.7", "198.51.100.9", "203.0.113.7"),
    ],
)
def test_the_client_is_the_last_address_that_is_not_trusted(peer: str, forwarded_for: str, client: str) -> None:
    assert forwarded_client(peer, forwarded_for, TRUSTED) == client


addresses = st.ip_addresses().map(str) | st.sampled_from(["127.0.0.1", "10.1.2.3", "fd00::1"])


@given(st.text(max_size=80) | st.lists(addresses, max_size=3).map(",".join), st.ip_addresses())
def test_an_untrusted_client_cannot_choose_its_address(header: str, client: object) -> None:
    address = str(client)
    if not is_trusted(address, TRUSTED):
        assert forwarded_client("10.0.0.1", f"{header},{address}", TRUSTED) == address
        assert forwarded_client(address, header, TRUSTED) == address


def test_no_address_is_trusted_unless_configured() -> None:
    assert not is_trusted("127.0.0.1", ())
    assert not is_trusted("a name", TRUSTED)
    assert is_trusted("fd00::1%eth0", TRUSTED)
