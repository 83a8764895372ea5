"""Request logs on disk, if they are turned on: up to four stages of each call, each in a JSON file.

`before` is what the client sent, `after` what the endpoint got, `response` what it returned, `error` what the client
got instead; the files of one call share its id. They hold conversations, so only the user can read the folder; they
hold no keys, not even if a conversation quotes the endpoint's. A thread writes them, so that no stream is delayed. The
queue for a slow disk is bounded, and a log that cannot be written causes one warning and nothing else.
"""

import asyncio
import logging
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Literal

from mitmproxy import http

from codex_transform import paths
from codex_transform.jsonio import dumps, loads
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.credentials import CREDENTIAL_HEADERS
from codex_transform.proxy.rotating_folder import RotatingFolder
from codex_transform.redaction import redact_key

logger = logging.getLogger(__name__)

Stage = Literal["before", "after", "response", "error"]

# How much the queue may hold.
MAX_WAITING_BYTES = 64_000_000
MAX_WAITING_FILES = 1000

_SECRETS = CREDENTIAL_HEADERS | {"set-cookie"}


class RequestLog:
    """Writes the stages of calls while the setting `log_requests` is on."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = RotatingFolder(paths.request_log_folder(config.home))
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="codex-request-log")
        self._waiting = _QueueBudget()
        self._warned: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def running(self) -> None:
        """Remember the event loop, to which log handlers belong."""
        self._loop = asyncio.get_running_loop()

    def log_request(self, flow: http.HTTPFlow, stage: Literal["before", "after"]) -> None:
        """Log the request as it is in the flow now."""
        if self.config.settings.log_requests:
            request = flow.request
            self._write(
                flow,
                stage,
                {"method": request.method, "url": request.url, "headers": _redacted_headers(request.headers)},
                request.raw_content,
            )

    def log_response(self, flow: http.HTTPFlow, stage: Literal["response", "error"], **facts: Any) -> None:
        """Log the response in the flow; `facts` go with it, such as the usage of a streamed answer."""
        response = flow.response
        if self.config.settings.log_requests and response is not None:
            head = {"status": response.status_code, "headers": _redacted_headers(response.headers), **facts}
            self._write(flow, stage, head, response.raw_content)

    def done(self) -> None:
        """Write what is in the queue: mitmproxy ends."""
        self._writer.shutdown(wait=True)

    def _write(self, flow: http.HTTPFlow, stage: Stage, head: Mapping[str, Any], body: bytes | None) -> None:
        now = datetime.now(UTC)
        entry = {"time": now.isoformat(), "id": flow.id[:8], "stage": stage, **head}
        size = len(body or b"")
        if not self._waiting.acquire(size):
            self._warn("the disk is too slow for all request logs (codex_log_requests): some are left out")
            return
        key = self.config.settings.api_key
        try:
            self._writer.submit(self._save, now, entry, body, key.value if key else "")
        except RuntimeError:
            self._waiting.release(size)  # mitmproxy is ending

    def _save(self, now: datetime, entry: dict[str, Any], body: bytes | None, key: str) -> None:
        """Run in the writer's thread."""
        try:
            self.folder.write(now, f"{entry['id']}-{entry['stage']}", _encode_entry(entry, body, key))
        except (OSError, ValueError) as error:
            self._warn(f"cannot write a request log (codex_log_requests): {error}", "write")
        finally:
            self._waiting.release(len(body or b""))

    def _warn(self, message: str, kind: str = "") -> None:
        """Warn once of each kind of problem."""
        if (kind or message) in self._warned:
            return
        self._warned.add(kind or message)
        if self._loop is None or self._loop.is_closed():
            logger.warning(message)
        else:
            # mitmproxy's log handlers belong to its event loop.
            self._loop.call_soon_threadsafe(logger.warning, message)


class _QueueBudget:
    """Limits how much is in the queue."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files = 0
        self._bytes = 0

    def acquire(self, size: int) -> bool:
        """Reserve this many bytes of the queue; return False if it is full.

        An entry that is larger than the queue is accepted if the queue is empty.
        """
        with self._lock:
            fits = self._files < MAX_WAITING_FILES and (not self._files or self._bytes + size <= MAX_WAITING_BYTES)
            if fits:
                self._files += 1
                self._bytes += size
            return fits

    def release(self, size: int) -> None:
        """Release the reserved bytes."""
        with self._lock:
            self._files -= 1
            self._bytes -= size


def _encode_entry(entry: dict[str, Any], body: bytes | None, key: str) -> bytes:
    if body is not None:
        try:
            entry["body"] = loads(body)
        except ValueError:
            entry["body"] = body.decode("utf-8", "replace")
    return redact_key(dumps(entry, indent=1), key)


def _redacted_headers(headers: http.Headers) -> Iterable[tuple[str, str]]:
    return [(name, "…" if name.lower() in _SECRETS else value) for name, value in headers.items(multi=True)]
