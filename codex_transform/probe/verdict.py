"""What an endpoint's answer to the probe message about the key and about the endpoint, in words.

Pure: an error as the client would have got it goes in, steps come out. An answer that is about the request, the model
or a limit shows that the key was taken; a web page or a server's fault shows nothing of it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from codex_transform.endpoint.url import Endpoint
from codex_transform.errors import ApiError

CHECK_URL = "Check the base URL."
"""The fix for whatever a wrong address may have caused."""

# How `from_endpoint` message that the server knows nothing of the address.
_NO_ADDRESS = re.compile(r"is no address of this server")
_NO_SUCH_MODEL = re.compile(
    r"\bmodel\b.*\b(not|no)\b.*\b(support|found|available|exist|access|known)|\b(unknown|unsupported|no such) model",
    re.IGNORECASE | re.DOTALL,
)
_MODEL = re.compile(rb'"model"\s*:\s*"([^"\\]{1,100})"')
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class Step(NamedTuple):
    """One step: `dns`, `tcp`, `tls`, `key` or `stream`.

    `message` is what was found and `fix` what to do about it, in words. One that is `ok` and has a `fix` all the same
    is a warning.
    """

    name: str
    ok: bool
    message: str
    fix: str = ""


def accepted() -> Step:
    """Return the endpoint took the key."""
    return Step("key", True, "accepted")


def answered(seconds: float, beginning: bytes, asked: str) -> Step:
    """Return a whole answer came; `beginning` are its first events."""
    named = _MODEL.search(beginning)
    model = named[1].decode(errors="replace") if named else asked
    return Step("stream", True, f"answered in {seconds:.1f} s, model {model}")


def nothing_came(endpoint: Endpoint, reason: str) -> Step:
    """Return the connection was there, an answer was not."""
    return Step("stream", False, f"{endpoint.host} gave no whole answer: {reason}", f"Try again. {CHECK_URL}")


def classify(error: ApiError, model: str, *, not_an_api: bool = False, started: bool = False) -> Iterator[Step]:
    """Yield the steps for a request that failed with `error`.

    `not_an_api` says that whatever answered is no endpoint: a web page, a redirect. `started` says that an answer had
    begun, so the key has had its step.
    """
    message = error.message.rstrip(".")
    if not_an_api or error.code in ("not_an_answer", "empty_answer") or _NO_ADDRESS.search(message):
        yield Step("stream", False, message, CHECK_URL)
    elif error.status in (401, 403):
        # The message goes on with a fix of its own, for people who see it in OpenCode.
        yield Step("key", False, message.partition(". Set ")[0], "Give the key of this endpoint.")
    elif error.status in (400, 404, 422, 429):
        if not started:
            yield accepted()
        yield _limited(error) if error.status == 429 else _refused(message, model)
    else:
        yield Step("stream", False, message, "Try again later; if it lasts, ask whoever runs the endpoint.")


def _refused(message: str, model: str) -> Step:
    if _NO_SUCH_MODEL.search(message):
        fix = "Choose a model that your endpoint has, and try that one with --model."
        return Step("stream", True, f"model {model} not supported here: the key works", fix)
    return Step("stream", False, f"the request was refused: {message}", "Ask whoever runs the endpoint; the key works.")


def _limited(error: ApiError) -> Step:
    again = f", to be tried again in {_duration(error.retry_after)}" if error.retry_after else ""
    if "usage_not_included" in (error.code, error.type):
        return Step("stream", False, "this plan does not include usage: the key works", "Change the plan.")
    if {error.code, error.type} & {"usage_limit_reached", "insufficient_quota"}:
        return Step("stream", False, f"usage limit reached{again}: the key works", "Wait, or change the plan.")
    return Step("stream", False, f"too many requests{again}: the key works", "Wait and try again.")


def _duration(seconds: int) -> str:
    for size, unit in ((_DAY, "days"), (_HOUR, "hours"), (_MINUTE, "minutes")):
        if seconds >= 2 * size:
            return f"{round(seconds / size)} {unit}"
    return f"{seconds} seconds"
