"""The header of the PROXY protocol, valid and invalid."""

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.proxy.proxy_header import ProxyHeader, parse

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
PORTS = st.integers(0, 65535)
ADDRESSES = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)), st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6))
)


def v1(source: IPv4Address | IPv6Address, destination: IPv4Address | IPv6Address, ports: tuple[int, int]) -> bytes:
    return f"PROXY TCP{source.version} {source} {destination} {ports[0]} {ports[1]}\r\n".encode()


def v2(
    source: IPv4Address | IPv6Address,
    destination: IPv4Address | IPv6Address,
    ports: tuple[int, int],
    extensions: bytes = b"",
) -> bytes:
    body = source.packed + destination.packed + struct.pack("!HH", *ports) + extensions
    return SIGNATURE + bytes([0x21, 0x11 if source.version == 4 else 0x21]) + struct.pack("!H", len(body)) + body


@given(ADDRESSES, st.tuples(PORTS, PORTS), st.binary(max_size=60), st.binary(max_size=40))
def test_both_versions_give_the_source_once_the_header_is_complete(
    addresses: tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address],
    ports: tuple[int, int],
    extensions: bytes,
    rest: bytes,
) -> None:
    for header in (v1(*addresses, ports), v2(*addresses, ports, extensions)):
        assert all(parse(header[:size]) is None for size in range(len(header)))
        parsed = parse(header + rest)
        assert parsed
        assert parsed.size == len(header)
        assert parsed.source
        assert (ip_address(parsed.source[0]), parsed.source[1]) == (addresses[0], ports[0])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_header_incomplete_or_invalid(data: bytes) -> None:
    for prefix in (b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"):
        try:
            parsed = parse(prefix + data)
        except ValueError as error:
            assert str(error)  # noqa: PT017 - most inputs are invalid
        else:
            assert parsed is None or 0 <= parsed.size <= len(prefix + data)


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"POST /", b"\x16\x03\x01", b"\r\nGET", b"PROXIES", b"proxy "])
def test_data_without_a_header(data: bytes) -> None:
    assert parse(data) == ProxyHeader(0)


@pytest.mark.parametrize(
    ("header", "size"),
    [
        (b"PROXY UNKNOWN\r\n", 15),
        (b"PROXY UNKNOWN ffff:f::1 ffff::2 65535 65535\r\n", 45),
        (SIGNATURE + b"\x20\x00\x00\x00", 16),
        (SIGNATURE + b"\x20\x11\x00\x03abc", 19),
        (SIGNATURE + b"\x21\x00\x00\x00", 16),
        (SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216), 232),
    ],
)
def test_a_header_that_names_no_client(header: bytes, size: int) -> None:
    assert parse(header + b"POST") == ProxyHeader(size)


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
        b"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
        b"PROXY " + b"x" * 200,
        SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x41\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\x00\x0c" + bytes(12),
    ],
)
def test_invalid_headers(header: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(it|its|Expected|Octet|At|Unexpected|Only) "):
        parse(header)
