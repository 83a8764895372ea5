"""The command of the row `run`: one request through the proxy of its environment; prints when the answer began.

It imports next to nothing: what is measured is how long it takes until a command has its first answer.
"""

import os
import socket
import time

_PATIENCE = 30.0  # seconds
_BODY = b'{"model":"gpt-5.3-codex","stream":true,"input":[{"role":"user","content":"hello"}]}'

host, _, port = os.environ["HTTPS_PROXY"].rpartition("//")[2].rstrip("/").partition(":")
with socket.create_connection((host, int(port)), _PATIENCE) as connection:
    connection.sendall(
        b"POST http://api.openai.com/v1/responses HTTP/1.1\r\nhost: api.openai.com\r\nx-bench: small 0\r\n"
        b"authorization: Bearer sk-dummy-of-the-benchmark\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
    )
    answer = b""
    while b"data:" not in answer:
        piece = connection.recv(1 << 16)
        if not piece:
            raise SystemExit(f"no answer: {answer[:500]!r}")
        answer += piece
print(time.monotonic())
