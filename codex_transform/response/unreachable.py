"""Why an endpoint could not be reached, and how to mend it.

Strategy: mitmproxy hands on what the system or OpenSSL said, in as many wordings as there are systems; a table of signs
tells the few cases apart that a person mends in different ways.
"""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from codex_transform.errors import ApiError


class _Case(NamedTuple):
    signs: str
    cause: str
    mend: str
    status: int = 502


# The first that fits. Numbers are those of errno on Linux, macOS and Windows.
_CASES = (
    _Case(
        r"certificate",
        "its certificate cannot be trusted",
        "Check codex_base_url; for a certificate authority of your own, give mitmproxy its file with "
        "--set ssl_verify_upstream_trusted_ca=FILE.",
    ),
    _Case(
        r"timed? ?out|errno (110|60)\b|error 10060",
        "it did not answer in time",
        "Check codex_base_url and the network, or try again later.",
        504,
    ),
    _Case(
        r"resol|getaddrinfo|not known|nodename|no address|errno -[2358]\b|errno 11001",
        "there is no address for this name",
        "Check codex_base_url and the network's DNS.",
    ),
    _Case(
        r"refused|errno (111|61)\b|error (10061|1225)",
        "nothing listens there",
        "Check codex_base_url, and that the endpoint runs.",
    ),
    _Case(
        r"unreachable|no route|errno (101|113|51|65)\b|error (10051|10065)",
        "there is no way to it through the network",
        "Check codex_base_url and the network.",
    ),
    _Case(
        r"tls|ssl|handshake",
        "it does not speak TLS as it should",
        "Check codex_base_url: is it https, and the right port?",
    ),
    _Case(
        r"reset|closed|disconnect|broken pipe|eof|errno (104|54|32)\b|error 10054",
        "it closed the connection",
        "Try again; if it happens every time, check codex_base_url.",
    ),
    _Case("", "the connection failed", "Check codex_base_url and the network."),
)

_LONGEST_REASON = 300


def unreachable(endpoint: str, reason: str) -> ApiError:
    """The error for a client whose request never got an answer: 504 after a timeout, else 502.

    `endpoint` is the address that was tried, `reason` what mitmproxy said about it.
    """
    host = urlsplit(endpoint).netloc or endpoint
    reason = " ".join(reason.split())[:_LONGEST_REASON].rstrip(".")
    case = next(case for case in _CASES if re.search(case.signs, reason, re.IGNORECASE))
    code = "endpoint_timeout" if case.status == 504 else "endpoint_unreachable"
    return ApiError(case.status, f"Cannot reach {host}: {case.cause} ({reason}). {case.mend}", code=code)
