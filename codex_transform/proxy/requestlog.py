"""Request logs on disk, for those who turned them on: four stages of each call, one JSON file a stage.

`before` is what the client sent, `after` what the endpoint got, `response` what came back, `error` what the client
was told instead; the files of one call share its id. They hold conversations, so the folder is the user's alone;
they hold no keys. Writing happens in a thread: it must not hold up a stream.
"""

import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from mitmproxy import http
from pydantic_core import from_json, to_json

from codex_transform.files import write_private
from codex_transform.proxy.config import Config

logger = logging.getLogger(__name__)

Stage = Literal["before", "after", "response", "error"]

_SECRETS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "api-key", "x-api-key"})


class RequestLog:
    """Writes the stages of calls while the setting `log_requests` is on."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = config.home / "logs" / "codex-plugin"
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="codex-request-log")

    def log_request(self, flow: http.HTTPFlow, stage: Literal["before", "after"]) -> None:
        """Logs the request as it stands in the flow now."""
        if self.config.settings.log_requests:
            request = flow.request
            self._write(
                flow,
                stage,
                {"method": request.method, "url": request.url, "headers": _shown(request.headers)},
                request.raw_content,
            )

    def log_response(self, flow: http.HTTPFlow, stage: Literal["response", "error"], **facts: Any) -> None:
        """Logs the response in the flow; `facts` go with it, such as the usage of a streamed answer."""
        response = flow.response
        if self.config.settings.log_requests and response is not None:
            head = {"status": response.status_code, "headers": _shown(response.headers), **facts}
            self._write(flow, stage, head, response.raw_content)

    def done(self) -> None:
        """mitmproxy ends: what is queued is written first."""
        self._writer.shutdown(wait=True)

    def _write(self, flow: http.HTTPFlow, stage: Stage, head: Mapping[str, Any], body: bytes | None) -> None:
        now = datetime.now(UTC)
        path = self.folder / f"{now:%Y%m%dT%H%M%S.%f}-{flow.id[:8]}-{stage}.json"
        entry = {"time": now.isoformat(), "id": flow.id[:8], "stage": stage, **head}
        self._writer.submit(_save, path, entry, body)


def _save(path: Path, entry: dict[str, Any], body: bytes | None) -> None:
    if body is not None:
        try:
            entry["body"] = from_json(body)
        except ValueError:
            entry["body"] = body.decode("utf-8", "replace")
    try:
        write_private(path, to_json(entry, indent=1))
    except OSError as error:
        logger.warning("cannot write a request log (codex_log_requests): %s", error)


def _shown(headers: http.Headers) -> Iterable[tuple[str, str]]:
    return [(name, "…" if name.lower() in _SECRETS else value) for name, value in headers.items(multi=True)]
