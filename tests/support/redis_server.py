"""A real Redis, or Valkey, on a port of its own."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codex_transform.settings.state_url import StateUrl, parse
from codex_transform.state.redis_backend import RedisBackend
from codex_transform.values import Unavailable
from support.needed import lacking
from support.ports import reserved
from support.waiting import eventually

PASSWORD = "Wort/with:odd@signs#"
_IN_URL = "Wort%2Fwith%3Aodd%40signs%23"


class RedisServer:
    """A server that can be stopped and started again, on the same port and with what it had."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        self.program = program or lacking("there is no redis-server: apt-get install redis-server")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, with its password."""
        return f"redis://:{_IN_URL}@127.0.0.1:{self.port}/1"

    @property
    def socket_url(self) -> str:
        """The same by its Unix socket."""
        return f"unix://:{_IN_URL}@{self.folder}/redis.sock?db=1"

    @property
    def state_url(self) -> StateUrl:
        return parse(self.url)

    def start(self) -> None:
        """Begin to serve."""
        command = (self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", PASSWORD)
        files = ("--dir", str(self.folder), "--unixsocket", str(self.folder / "redis.sock"))
        kept = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
        self._process = subprocess.Popen([*command, *files, *kept], stdout=subprocess.DEVNULL)
        assert eventually(self._answers, 20)

    def stop(self) -> None:
        """Be gone at once."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def clear(self) -> None:
        """Forget everything."""
        from redis import Redis

        with Redis.from_url(self.url) as client:
            client.flushall()

    def texts(self) -> str:
        """All keys and values that it holds."""
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
    """A running server; its files are in `folder`."""
    folder.mkdir(exist_ok=True)
    with reserved() as port:
        server = RedisServer(folder, port)
        try:
            server.start()
            yield server
        finally:
            server.stop()
