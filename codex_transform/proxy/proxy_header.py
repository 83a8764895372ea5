"""The header of the PROXY protocol, which a proxy in front sends before the first byte of its client.

Both versions of the specification (haproxy.org, proxy-protocol.txt): a line of text, and a binary header whose
extensions (TLV) say nothing that is needed here.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

_V1 = b"PROXY "
_V1_MAX = 107  # bytes, with the line's end
_V1_LINE = re.compile(rb"PROXY (TCP[46]) ([0-9a-fA-F:.]+) ([0-9a-fA-F:.]+) ([0-9]{1,5}) ([0-9]{1,5})")
_V1_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: .*)?")

_V2 = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_FIXED = 16  # bytes up to the addresses
_LOCAL, _PROXY = 0x20, 0x21
# Of the families and transports: how long an address of the family is. The others have none that is of use.
_ADDRESS_BYTES = {0x11: 4, 0x12: 4, 0x21: 16, 0x22: 16}
_WITHOUT_ADDRESS = (0x00, 0x31, 0x32)


class ProxyHeader(NamedTuple):
    """A header of `size` bytes, 0 where there is none.

    `source` is the client's address and port; None where the header names none: the proxy itself asks, or its client
    is none of a network.
    """

    size: int
    source: tuple[str, int] | None = None


def parse(data: bytes) -> ProxyHeader | None:
    """Return the header that a connection begins with, None as long as that cannot be said.

    Raises ValueError for one that cannot be read.
    """
    if data.startswith(_V1):
        return _parse_v1(data)
    if data.startswith(_V2):
        return _parse_v2(data)
    return None if _V1.startswith(data) or _V2.startswith(data) else ProxyHeader(0)


def _parse_v1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, _V1_MAX)
    if end < 0:
        if len(data) < _V1_MAX:
            return None
        raise ValueError(f"its line does not end within {_V1_MAX} bytes")
    line, size = data[:end], end + 2
    if _V1_UNKNOWN.fullmatch(line):
        return ProxyHeader(size)
    match = _V1_LINE.fullmatch(line)
    if match is None:
        raise ValueError("its line is not that of version 1")
    kind = IPv4Address if match[1] == b"TCP4" else IPv6Address
    source, _destination = (str(kind(match[index].decode())) for index in (2, 3))
    port, other = int(match[4]), int(match[5])
    if max(port, other) > 65535:
        raise ValueError("it names a port that does not exist")
    return ProxyHeader(size, (source, port))


def _parse_v2(data: bytes) -> ProxyHeader | None:
    if len(data) < _V2_FIXED:
        return None
    command, family = data[12], data[13]
    size = _V2_FIXED + int.from_bytes(data[14:16])
    if command not in (_LOCAL, _PROXY):
        raise ValueError(f"its version and command are {command:#04x}")
    length = _ADDRESS_BYTES.get(family)
    if command == _PROXY and length is None and family not in _WITHOUT_ADDRESS:
        raise ValueError(f"its address family is {family:#04x}")
    if command == _PROXY and length and size < _V2_FIXED + 2 * length + 4:
        raise ValueError("it is too short for its addresses")
    if len(data) < size:
        return None
    if command == _LOCAL or length is None:
        return ProxyHeader(size)
    ports = _V2_FIXED + 2 * length
    source = data[_V2_FIXED : _V2_FIXED + length]
    address = IPv4Address(source) if length == 4 else IPv6Address(source)
    return ProxyHeader(size, (str(address), int.from_bytes(data[ports : ports + 2])))
