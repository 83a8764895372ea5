"""The backend for the proxies of several machines: Redis, or Valkey, which speaks the same protocol.

The package `redis` is imported only if a setting needs it. Each value is a string with an expiry. A batch is one round
trip.
"""

import time
from collections.abc import Mapping, Sequence
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

from codex_transform import requirements
from codex_transform.settings.state_url import StateUrl
from codex_transform.state.backend import Swap
from codex_transform.state.redis_error import explain
from codex_transform.values import Unavailable

if TYPE_CHECKING:
    from redis import Redis

PREFIX = "codex-transform:"
"""The prefix of all keys."""

PACKAGE = "redis>=5.1"

_TIMEOUT = 1.0
"""Seconds that connecting, or an answer, may take."""

_CHUNK = 1000
"""Commands, or keys, in one round trip."""

_RENEW_AFTER = 3600.0
"""Seconds after which reading a value extends its expiry again."""

_MAX_RENEWED = 50_000

# An empty string stands for no value.
_SWAP = """\
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
"""


class RedisBackend:
    """A backend at a URL, which is connected to when first used."""

    def __init__(self, url: StateUrl) -> None:
        self._url = url
        self._lock = Lock()
        self._client: Redis | None = None
        self._renew_at: dict[str, float] = {}

    def read(self, ttls: Mapping[str, float]) -> dict[str, bytes]:
        """Return values."""
        found: dict[str, bytes] = {}
        keys = iter(ttls.items())
        while chunk := dict(islice(keys, _CHUNK)):
            commands: list[tuple[Any, ...]] = [("MGET", *(PREFIX + key for key in chunk))]
            commands += (("PEXPIRE", PREFIX + key, _milliseconds(chunk[key])) for key in self._due(chunk))
            values = self._run(commands)[0]
            found.update((key, value) for key, value in zip(chunk, values, strict=True) if value is not None)
        return found

    def swap(self, swaps: Sequence[Swap]) -> list[bool]:
        """Set values that have not changed."""
        return [
            bool(done)
            for done in self._run(
                ("EVAL", _SWAP, 1, PREFIX + each.key, each.before or b"", each.after or b"", _milliseconds(each.ttl))
                for each in swaps
            )
        ]

    def put(self, key: str, value: bytes, ttl: float) -> None:
        """Set a value."""
        self._run([("SET", PREFIX + key, value, "PX", _milliseconds(ttl))])

    def delete(self, key: str) -> bool:
        """Delete a value."""
        return bool(self._run([("DEL", PREFIX + key)])[0])

    def check(self) -> str:
        """Return the name and version of the server."""
        info = self._run([("INFO", "server")])[0]
        if "valkey_version" in info:
            return f"Valkey {info['valkey_version']}"
        return f"Redis {info.get('redis_version', 'of unknown version')}"

    def close(self) -> None:
        """Close the connections."""
        if self._client:
            self._client.close()
            self._client = None

    def _due(self, ttls: Mapping[str, float]) -> list[str]:
        """Return the keys whose expiry is to be extended."""
        now = time.monotonic()
        due = [key for key, ttl in ttls.items() if now >= self._renew_at.get(key, now)]
        if len(self._renew_at) > _MAX_RENEWED:
            self._renew_at.clear()
        self._renew_at.update((key, now + min(_RENEW_AFTER, ttls[key] / 2)) for key in due)
        return due

    def _run(self, commands: Any) -> list[Any]:
        """Return the results of commands. Raises Unavailable, whose message has no password."""
        client = self._connected()
        from redis import RedisError

        commands, results = list(commands), []
        try:
            for start in range(0, len(commands), _CHUNK):
                pipeline = client.pipeline(transaction=False)
                for command in commands[start : start + _CHUNK]:
                    pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
                results += pipeline.execute()
        except (RedisError, OSError) as error:
            raise explain(error, self._url) from error
        return results

    def _connected(self) -> "Redis":
        with self._lock:
            return self._client or self._connect()

    def _connect(self) -> "Redis":
        try:
            from redis import ConnectionError, Redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise Unavailable(str(error), requirements.install_fix(PACKAGE)) from error
        self._client = Redis.from_url(
            self._url.text,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            # An idle connection may have been closed although the server is up.
            retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
        )
        return self._client


def _milliseconds(ttl: float) -> int:
    return max(1, int(ttl * 1000))
