"""Why an attempt brought no answer: what the endpoint said, or how the connection was lost."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from codex_transform.attempts.json_path import Path, parse_path
from codex_transform.errors import ApiError
from codex_transform.redaction import redact_secrets
from codex_transform.response.http_error import page_title, read_endpoint_error, retry_after_header
from codex_transform.text import one_line

_MAX_MESSAGE = 2000

_INPUT_PATH = re.compile(r"\binput((?:\[\d+\]|\.\d+)[\w.\[\]]*)")


class Failure(NamedTuple):
    """An attempt that failed before anything of an answer went to the client.

    `message`, `code` (or the type, if there is no code) and `param` are the endpoint's words, "" where it said nothing.
    `status` is the HTTP status that it sent or that belongs to its words; None if the connection was lost. `lost` is
    true if a connection that took the request was lost before it brought anything, `reused` if that had served another
    request before, and `unprocessed` if the endpoint has said that it does not process this one; `unreachable` is true
    if there was no connection at all. `elapsed` is in seconds since the request was sent, `retry_after` as in the
    header. `usage` are the token counts that the endpoint reported all the same.
    """

    message: str = ""
    code: str = ""
    param: str = ""
    status: int | None = None
    lost: bool = False
    reused: bool = False
    unprocessed: bool = False
    unreachable: bool = False
    elapsed: float = 0.0
    retry_after: int | None = None
    usage: Mapping[str, Any] | None = None

    @property
    def input_path(self) -> Path:
        """The path within `input` that it names, `(7, "foo")` for `input[7].foo`; () if it names none."""
        for text in (self.param, self.message):
            if match := _INPUT_PATH.search(text):
                return parse_path(match[1])
        return ()

    @property
    def brief(self) -> str:
        """The first line of the message, to be quoted."""
        return one_line(self.message.split("\n", 1)[0].rstrip(" ."), 160)


def from_response(status: int, headers: Mapping[str, str], body: bytes, elapsed: float) -> Failure:
    """Return the failure that an HTTP response of any status but success stands for; `body` is encoded or not."""
    text, is_page, report = read_endpoint_error(headers, body)
    return Failure(
        message=report.message if report else redact_secrets(page_title(text) if is_page else text[:_MAX_MESSAGE]),
        code=(report.code or report.type or "") if report else "",
        param=(report.param or "") if report else "",
        status=status,
        elapsed=elapsed,
        retry_after=retry_after_header(status, report, {name.lower(): value for name, value in headers.items()}),
    )


def from_error(error: ApiError, elapsed: float, usage: Mapping[str, Any] | None = None) -> Failure:
    """Return the failure that a stream reports in place of an answer, as the client would be told.

    A status of 500 and above is our own word for an answer that is none: it says nothing about the endpoint.
    """
    return Failure(
        message=error.message,
        code=error.code or error.type,
        param=error.param or "",
        status=error.status if error.status < 500 else None,
        elapsed=elapsed,
        retry_after=error.retry_after,
        usage=usage,
    )
