"""Answers that are no event stream: a JSON object, a web page, a line of text, nothing."""

from typing import Any

from codex_transform import jsonio
from codex_transform.decoding import DecodingError, decode
from codex_transform.errors import ApiError
from codex_transform.redaction import redact_secrets
from codex_transform.response.sse import BOM
from codex_transform.response.upstream_error import read_error, server_error

# The code of an error for an answer that ended too early.
TRUNCATED = "stream_cut"

# How many bytes a request may have, and an answer that is no stream or not wanted as one: far more than any real one.
MAX_BODY = 64_000_000

_LONGEST_QUOTE = 200


def parse_response(body: bytes) -> dict[str, Any]:
    """Return the response object in a JSON body.

    Raises ApiError for an error, with the status that belongs to it, and 502 for anything else.
    """
    try:
        value = jsonio.loads(body)
    except ValueError:
        raise truncated("The endpoint's answer is JSON that breaks off or is damaged.") from None
    if not isinstance(value, dict):
        raise not_a_response("a JSON value that is not an object")
    if isinstance(value.get("response"), dict):
        # The final event of a stream, alone.
        value = value["response"]
    failed = value.get("status") == "failed"
    if isinstance(value.get("output"), list) and not failed:
        response: dict[str, Any] = value
        return response
    problem = read_error(value)
    if problem is None and failed:
        problem = server_error("The endpoint reported that the response failed.")
    if problem:
        raise problem.http_error()
    raise not_a_response(f"a JSON object of another kind ({str(value.get('object', 'without a name'))[:40]})")


def parse_json(body: bytes, content_encoding: str | None) -> bytes:
    """Return the JSON in the body of an answer that is passed on as it is. Raises ApiError 502 for anything else."""
    try:
        content = decode(content_encoding, body)
    except DecodingError as error:
        raise truncated(f"The endpoint's answer cannot be decoded: {error}.") from None
    beginning = content.removeprefix(BOM).lstrip()[: 4 * _LONGEST_QUOTE]
    if not beginning:
        raise empty_body()
    if beginning.startswith(b"<"):
        raise html_page()
    if not beginning.startswith((b"{", b"[")):
        raise plain_text(beginning)
    return content


def html_page() -> ApiError:
    """Return the error for a web page in place of an answer."""
    return not_a_response("a web page: codex_base_url may lead to a website or a login wall")


def plain_text(beginning: bytes) -> ApiError:
    """Return the error for a text in place of an answer."""
    printable = "".join(char if char.isprintable() else " " for char in beginning.decode(errors="replace"))
    words = redact_secrets(" ".join(printable.split()))
    quote = words if len(words) <= _LONGEST_QUOTE else words[:_LONGEST_QUOTE] + "…"
    return not_a_response(f"this text: {quote}")


def empty_body() -> ApiError:
    """Return the error for no answer at all."""
    return ApiError(
        502,
        "The endpoint sent an empty answer. Try again; if it happens every time, check codex_base_url.",
        code="empty_answer",
    )


def not_a_response(what: str) -> ApiError:
    """Return the error for something in place of an answer."""
    return ApiError(502, f"The endpoint answered with {what}.", code="not_an_answer")


def too_large() -> ApiError:
    """Return the error for an answer that would never fit."""
    return ApiError(502, f"The endpoint's answer is longer than {MAX_BODY // 1_000_000} MB.", code="answer_too_long")


def truncated(message: str) -> ApiError:
    """Return the error for an answer that ended before any of it could be used."""
    return ApiError(502, message, code=TRUNCATED)
