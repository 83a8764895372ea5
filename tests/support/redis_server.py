"""A real Redis, or Valkey, on its own port."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codex_transform.settings.state_url import StateUrl, parse
from codex_transform.state.redis_backend import RedisBackend
from codex_transform.values import Unavailable
from support.certificates import certificate
from support.needed import skip_or_fail
from support.ports import reserved
from support.waiting import eventually

PASSWORD = "Wort/with:odd@signs#"
_IN_URL = "Wort%2Fwith%3Aodd%40signs%23"


class RedisServer:
    """A server that can be stopped and started again, on the same ports and with its data.

    It speaks TLS on another port and in plain text on the first; `ca` is the file with the certificate to trust.
    """

    def __init__(self, folder: Path, port: int, tls_port: int) -> None:
        self.folder, self.port, self.tls_port = folder, port, tls_port
        self._certificate, self.ca = certificate(folder)
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        self.program = program or skip_or_fail("redis-server is not installed: apt-get install redis-server")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its URL, with the password."""
        return f"redis://:{_IN_URL}@127.0.0.1:{self.port}/1"

    @property
    def tls_url(self) -> str:
        """The URL of its port with TLS, with the password."""
        return f"rediss://:{_IN_URL}@127.0.0.1:{self.tls_port}/1"

    @property
    def socket_url(self) -> str:
        """The URL of its Unix socket, with the password."""
        return f"unix://:{_IN_URL}@{self.folder}/redis.sock?db=1"

    @property
    def state_url(self) -> StateUrl:
        return parse(self.url)

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        command = (self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", PASSWORD)
        files = ("--dir", str(self.folder), "--unixsocket", str(self.folder / "redis.sock"))
        persistence = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
        tls = ("--tls-port", str(self.tls_port), "--tls-auth-clients", "no", "--tls-ca-cert-file", str(self.ca))
        keys = ("--tls-cert-file", str(self._certificate), "--tls-key-file", str(self._certificate))
        self._process = subprocess.Popen([*command, *files, *persistence, *tls, *keys], stdout=subprocess.DEVNULL)
        assert eventually(self._answers, 20)

    def stop(self) -> None:
        """Kill the server."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def clear(self) -> None:
        """Delete all keys."""
        from redis import Redis

        with Redis.from_url(self.url) as client:
            client.flushall()

    def texts(self) -> str:
        """Return all keys and values that it has."""
        from redis import Redis

        with Redis.from_url(self.url, decode_responses=True) as client:
            return "\n".join(f"{key} {client.get(key)}" for key in client.scan_iter())

    def _answers(self) -> bool:
        backend = RedisBackend(self.state_url)
        try:
            return bool(backend.check())
        except Unavailable:
            return False
        finally:
            backend.close()


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """Run a server with its files in `folder`."""
    folder.mkdir(exist_ok=True)
    with reserved() as port, reserved() as tls_port:
        server = RedisServer(folder, port, tls_port)
        try:
            server.start()
            yield server
        finally:
            server.stop()
