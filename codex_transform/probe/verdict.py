"""Tell from an endpoint's response to the probe whether the key and the endpoint work.

Pure: an error as the client would get it goes in, steps come out. A response about the request, the model or a limit
shows that the key was accepted; a web page or a server error does not.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from codex_transform.endpoint.url import Endpoint
from codex_transform.errors import ApiError
from codex_transform.text import format_duration

CHECK_URL = "Check the base URL."
"""The fix for whatever a wrong address may have caused."""

# The words of `from_endpoint` for a path that the server does not have.
_NO_ADDRESS = re.compile(r"is not an address of this server")
_NO_SUCH_MODEL = re.compile(
    r"\bmodel\b.*\b(not|no)\b.*\b(support|found|available|exist|access|known)|\b(unknown|unsupported|no such) model",
    re.IGNORECASE | re.DOTALL,
)
_MODEL = re.compile(rb'"model"\s*:\s*"([^"\\]{1,100})"')


class Step(NamedTuple):
    """One step: `dns`, `tcp`, `tls`, `key` or `stream`.

    `message` is the result and `fix` what to do about it, as text. A step that is `ok` and has a `fix` is a warning.
    """

    name: str
    ok: bool
    message: str
    fix: str = ""


def accepted() -> Step:
    """Return the step for a key that the endpoint accepted."""
    return Step("key", True, "accepted")


def completed(seconds: float, beginning: bytes, requested: str) -> Step:
    """Return the step for a complete response; `beginning` are its first events."""
    named = _MODEL.search(beginning)
    model = named[1].decode(errors="replace") if named else requested
    return Step("stream", True, f"answered in {seconds:.1f} s, model {model}")


def no_response(endpoint: Endpoint, reason: str) -> Step:
    """Return the step for a connection without a complete response."""
    return Step("stream", False, f"{endpoint.host} sent no complete response: {reason}", f"Try again. {CHECK_URL}")


def classify(error: ApiError, model: str, *, not_an_api: bool = False, started: bool = False) -> Iterator[Step]:
    """Yield the steps for a request that failed with `error`.

    With `not_an_api` the response is not that of an API: a web page, a redirect. With `started` a response had begun,
    so the step for the key is done.
    """
    message = error.message.rstrip(".")
    if not_an_api or error.code in ("not_an_answer", "empty_answer") or _NO_ADDRESS.search(message):
        yield Step("stream", False, message, CHECK_URL)
    elif error.status == 403 and "codex_api_key" not in message:
        yield Step("stream", False, message, "Ask the operator of the endpoint.")
    elif error.status in (401, 403):
        # The rest of the message is a fix for people who see it in OpenCode.
        yield Step("key", False, message.partition(". Set ")[0], "Use the key of this endpoint.")
    elif error.status in (400, 404, 422, 429):
        if not started:
            yield accepted()
        yield _limited(error) if error.status == 429 else _refused(message, model)
    else:
        yield Step("stream", False, message, "Try again later; if it persists, ask the operator of the endpoint.")


def _refused(message: str, model: str) -> Step:
    if _NO_SUCH_MODEL.search(message):
        hint = "Choose a model that your endpoint has, and try that one with --model."
        return Step("stream", True, f"model {model} not supported here: the key works", hint)
    return Step(
        "stream", False, f"the request was refused: {message}", "Ask the operator of the endpoint; the key works."
    )


def _limited(error: ApiError) -> Step:
    retry = f", try again in {format_duration(error.retry_after)}" if error.retry_after else ""
    if "usage_not_included" in (error.code, error.type):
        return Step("stream", False, "this plan does not include usage: the key works", "Change the plan.")
    if {error.code, error.type} & {"usage_limit_reached", "insufficient_quota"}:
        return Step("stream", False, f"usage limit reached{retry}: the key works", "Wait, or change the plan.")
    return Step("stream", False, f"too many requests{retry}: the key works", "Wait and try again.")
