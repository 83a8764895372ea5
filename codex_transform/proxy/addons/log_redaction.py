"""Addon: cuts from mitmproxy's log what it quotes of a connection, because a client's key may be in that.

mitmproxy quotes headers that it cannot read, or that have no end when the client leaves: the whole of them over HTTP/1,
and over HTTP/2 a value with a blank at its end. There is no flow yet whose credentials could be redacted.
"""

import logging
import re

from mitmproxy.proxy import server

# Bytes as Python writes them, which is on one line.
_BYTES = re.compile(r"""(?::? )?\bb(?:'.*'|".*")""")

_logger = logging.getLogger(server.__name__)


class LogRedaction:
    """Keeps the bytes of connections out of the log while it is loaded."""

    def load(self, _loader: object) -> None:
        """Begin: mitmproxy has no connection yet."""
        _logger.addFilter(_cut_bytes)

    def done(self) -> None:
        """End: mitmproxy ends, or reloads the script."""
        _logger.removeFilter(_cut_bytes)


def _cut_bytes(record: logging.LogRecord) -> bool:
    if isinstance(record.msg, str):
        record.msg = _BYTES.sub(" …", record.msg)
    return True
