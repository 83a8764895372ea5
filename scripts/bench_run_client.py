"""The command of the row `run`: sends one request through HTTPS_PROXY and prints when the first event arrived.

It imports as little as possible, so that the start of the proxy is what is measured. The time is in seconds of the
monotonic clock.
"""

import os
import socket
import time

_TIMEOUT = 30.0  # seconds
_BODY = b'{"model":"gpt-5.3-codex","stream":true,"input":[{"role":"user","content":"hello"}]}'

host, _, port = os.environ["HTTPS_PROXY"].rpartition("//")[2].rstrip("/").partition(":")
with socket.create_connection((host, int(port)), _TIMEOUT) as connection:
    connection.sendall(
        b"POST http://api.openai.com/v1/responses HTTP/1.1\r\nhost: api.openai.com\r\nx-bench: small 0\r\n"
        b"authorization: Bearer sk-dummy-of-the-benchmark\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
    )
    response = b""
    while b"data:" not in response:
        data = connection.recv(1 << 16)
        if not data:
            raise SystemExit(f"no response: {response[:500]!r}")
        response += data
print(time.monotonic())
