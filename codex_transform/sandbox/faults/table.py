"""Every fault by name.

Strategy: one table with a line for each; the functions are in this package. Several may be combined with `+`, and `@N`
sets the number that a fault takes: `gzip+cut@2`. A new fault is a new line here.
"""

from dataclasses import dataclass

from codex_transform.sandbox.faults import answers, encoding, events, refusals, wire
from codex_transform.sandbox.planned_response import Edit, End, PlannedResponse


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: what it does, in words, and the edit that does it.

    `at` is the default of its number, None if it takes none.
    """

    about: str
    edit: Edit
    at: int | None = None


_TRY_AGAIN = "Rate limit reached on tokens per min (TPM). Please try again in 1.5s."
_EVENTS = "after N events"

FAULTS: dict[str, Fault] = {
    # The content of the stream.
    "response-done": Fault("ends with response.done", events.end_as("response.done")),
    "filled-output": Fault("terminal output holds the items", events.filled_output()),
    "empty-output": Fault("terminal output is []", events.output(lambda r, _: r.update(output=[]))),
    "null-output": Fault("terminal output is null", events.output(lambda r, _: r.update(output=None))),
    "missing-output": Fault("terminal response has no output", events.output(lambda r, _: r.pop("output", None))),
    "thin-terminal": Fault("terminal response has only id and usage", events.thin_terminal()),
    "rate-limit-events": Fault("codex.rate_limits events", events.extra(events.rate_limits)),
    "unknown-events": Fault("events of an unknown type", events.extra(events.unknown_event)),
    "no-sequence-number": Fault("no sequence_number", events.without("sequence_number")),
    "no-item-id": Fault("no item_id", events.without("item_id")),
    "no-output-index": Fault("no output_index", events.without("output_index")),
    "bare-events": Fault(
        "none of these three, no content_index",
        events.without("sequence_number", "item_id", "output_index", "content_index", "summary_index"),
    ),
    "thin": Fault("only what the answer would be lost without", events.thin()),
    # What relays leave out of a stream.
    "only-final": Fault(
        "only response.created, and the terminal event with the items",
        events.both(events.filled_output(), events.only("response.created", "response.completed")),
    ),
    "only-items": Fault(
        "only finished items and the terminal event",
        events.only("response.output_item.done", "response.completed"),
    ),
    "only-deltas": Fault(
        "only the message's deltas and the terminal event",
        events.only("response.output_text.delta", "response.completed"),
    ),
    "no-created": Fault("no response.created", events.leave_out(".created", ".in_progress")),
    "no-item-added": Fault("no output_item.added", events.leave_out("output_item.added")),
    "no-part-events": Fault("no events about parts", events.leave_out("_part.added", "_part.done")),
    "no-text-done": Fault("no whole texts", events.leave_out("text.done", "arguments.done", "input.done")),
    "no-item-done": Fault(
        "no output_item.done; terminal output holds the items",
        events.both(events.filled_output(), events.leave_out("output_item.done")),
    ),
    "no-endings": Fault(
        "nothing of an item after its deltas; terminal output holds the items",
        events.both(
            events.filled_output(),
            events.leave_out("text.done", "arguments.done", "input.done", "_part.done", "output_item.done"),
        ),
    ),
    "no-deltas": Fault(
        "items are added and done, without deltas", events.leave_out(".delta", "text.done", "_part.added")
    ),
    "rotating-ids": Fault("another item id in every event", events.rotating_ids()),
    "rotating-ids-filled": Fault(
        "the same, and terminal output holds the items", events.both(events.filled_output(), events.rotating_ids())
    ),
    "bare-openings": Fault("output_item.added without content or summary", events.bare_openings()),
    "chat-usage": Fault("usage as prompt_tokens and completion_tokens", events.chat_usage()),
    "other-model": Fault("response.model differs", events.response_model("gpt-sandbox-2026-01-01")),
    "no-terminal": Fault(f"{_EVENTS} the stream ends properly, without a terminal event", events.stop(), 4),
    "no-final-event": Fault("all of it except the terminal event", events.without_terminal()),
    "error-event": Fault(
        f"{_EVENTS} an error event",
        events.error({"type": "error", "code": "server_error", "message": "The sandbox broke.", "param": None}),
        4,
    ),
    "error-event-nested": Fault(
        f"{_EVENTS} an error event that holds an error object",
        events.error({"type": "error", "error": {"type": "server_error", "code": None, "message": "Overloaded."}}),
        4,
    ),
    "failed": Fault(f"{_EVENTS} fails: server_error", events.failed("server_error", "The sandbox broke."), 4),
    "failed-rate-limit": Fault(
        f"{_EVENTS} fails: rate_limit_exceeded", events.failed("rate_limit_exceeded", _TRY_AGAIN), 4
    ),
    "failed-context": Fault(
        f"{_EVENTS} fails: context_length_exceeded",
        events.failed("context_length_exceeded", "Your input exceeds the context window of this model."),
        4,
    ),
    "failed-quota": Fault(
        f"{_EVENTS} fails: insufficient_quota", events.failed("insufficient_quota", "The quota is used up."), 4
    ),
    "incomplete": Fault("incomplete: max_output_tokens", events.incomplete("max_output_tokens")),
    "incomplete-filter": Fault("incomplete: content_filter", events.incomplete("content_filter")),
    # The encoding of the stream.
    "no-event-lines": Fault("no event: lines", encoding.encoded_by(encoding.data_only)),
    "no-type": Fault("no type in the data", encoding.encoded_by(encoding.type_in_name_only)),
    "no-spaces": Fault("no space after colons", encoding.encoded_by(encoding.no_spaces)),
    "many-lines": Fault("the JSON over many data: lines", encoding.encoded_by(encoding.many_lines)),
    "all-fields": Fault("id:, retry:, comments and unknown fields", encoding.encoded_by(encoding.all_fields)),
    "crlf": Fault("lines end in CRLF", encoding.line_ends(b"\r\n")),
    "cr": Fault("lines end in CR", encoding.line_ends(b"\r")),
    # A CR is never followed by a bare LF, which would make one line end of two.
    "mixed-line-ends": Fault(
        "lines end in LF, CRLF and CR in turn", encoding.line_ends(b"\n", b"\r\n", b"\r", b"\r\n")
    ),
    "comments": Fault("a comment before each event", encoding.between(b": keep-alive\n\n")),
    "bom": Fault("a byte order mark first", encoding.before(b"\xef\xbb\xbf")),
    "no-final-blank": Fault("no line end after the last event", encoding.transformed(encoding.no_final_blank)),
    "done-mark": Fault("data: [DONE] at the end", encoding.after(b"data: [DONE]\n\n")),
    "byte-by-byte": Fault("every byte by itself", encoding.transformed(encoding.byte_by_byte)),
    "one-piece": Fault("the whole body at once", encoding.transformed(encoding.in_one_piece)),
    "slow": Fault("a pause of N ms after each event", encoding.slowly(), 20),
    # Compressed, though nobody asked for it; `-truncated` lacks the end.
    **{
        coding + ("-truncated" if truncated else ""): Fault(
            f"compressed by {coding}" + (", cut short" if truncated else ""),
            encoding.compressed(coding, truncated=truncated),
        )
        for coding in ("gzip", "deflate", "deflate-raw", "br", "zstd")
        for truncated in (False, True)
    },
    "false-gzip": Fault("said to be gzip, but is not", encoding.labelled("gzip")),
    # Another response altogether.
    "json": Fault("one JSON document instead of a stream", answers.json_document("application/json")),
    "json-as-stream": Fault("the same, labelled text/event-stream", answers.json_document("text/event-stream")),
    "json-error-200": Fault("an error object with status 200", answers.error(200, message="No.", code="no")),
    "plain-type": Fault("content type text/plain", answers.header("content-type", "text/plain")),
    "json-type": Fault("content type application/json", answers.header("content-type", "application/json")),
    "no-type-header": Fault("no content type", answers.header("content-type", None)),
    "content-length": Fault("a stream of known length", answers.known_length()),
    "more-headers": Fault(
        "set-cookie, rate limits, and headers meant for one hop",
        answers.headers(
            set_cookie="session=sandbox; Path=/",
            x_ratelimit_remaining_requests="99",
            x_codex_primary_used_percent="42",
            keep_alive="timeout=5",
            proxy_authenticate="Basic",
        ),
    ),
    "html-200": Fault("a login page with status 200", answers.page(200)),
    "html-403": Fault("a login page with status 403", answers.page(403)),
    "html-502": Fault("a gateway's page with status 502", answers.page(502)),
    "empty": Fault("status 200, content-length 0", answers.nothing(chunked=False)),
    "empty-chunked": Fault("status 200, no chunk", answers.nothing(chunked=True)),
    "usage-limit-404": Fault(
        "404 usage_limit_reached, resets_in_seconds", answers.usage_limit(404, told_in="resets_in_seconds")
    ),
    "usage-limit-429": Fault("429 usage_limit_reached, resets_at", answers.usage_limit(429, told_in="resets_at")),
    "usage-limit-headers": Fault(
        "404 usage_limit_reached, reset time in x-codex-* headers", answers.usage_limit(404, told_in="headers")
    ),
    "usage-not-included": Fault(
        "403 usage_not_included",
        answers.error(403, type="usage_not_included", message="Usage is not included in your plan."),
    ),
    "rate-limit": Fault(
        "429 rate_limit_exceeded",
        answers.error(429, type="requests", code="rate_limit_exceeded", param=None, message=_TRY_AGAIN),
    ),
    "unauthorized": Fault(
        "401",
        answers.error(401, type="invalid_request_error", code="invalid_api_key", message="Incorrect API key."),
    ),
    "plain-500": Fault("500 in plain text", answers.text(500, "text/plain", "Internal Server Error")),
    "detail-503": Fault(
        "503 with a detail",
        answers.text(503, "application/json", '{"detail":"No upstream is available"}', retry_after="7"),
    ),
    "redirect": Fault("302 to another host name", answers.redirect()),
    "quota-403": Fault(
        "403 insufficient_user_quota",
        answers.error(403, type="new_api_error", code="insufficient_user_quota", message="The quota is not enough."),
    ),
    "codex-only-403": Fault(
        "403 codex_access_restricted",
        answers.error(403, code="codex_access_restricted", message="Only official Codex clients may use this."),
    ),
    "model-403": Fault("403 for the model", answers.error(403, message="This token may not use this model.")),
    "region-403": Fault(
        "403 unsupported_country_region_territory",
        answers.error(403, code="unsupported_country_region_territory", message="Your region is not supported."),
    ),
    "limit-in-words": Fault(
        "429 that says in words when to try again",
        answers.error(429, message="The daily limit is reached. Try again in 3h 12m."),
    ),
    "overloaded": Fault(
        "503 server_is_overloaded",
        answers.error(503, type="server_error", code="server_is_overloaded", message="Too many requests at once."),
    ),
    "bad-gateway": Fault("502 in plain text", answers.text(502, "text/plain", "Bad Gateway")),
    # Refusals of something in the request.
    "no-parallel-tool-calls": Fault(
        "refuses parallel_tool_calls as the Codex backend does", refusals.parameter("parallel_tool_calls", "codex")
    ),
    "no-include": Fault("refuses include as OpenAI's API does", refusals.parameter("include", "openai")),
    "no-tool-choice": Fault("refuses tool_choice as FastAPI does", refusals.parameter("tool_choice", "fastapi")),
    "no-item-summary": Fault("refuses the member summary of an item", refusals.item_member("summary")),
    "no-encrypted-member": Fault(
        "refuses the member encrypted_content of an item", refusals.item_member("encrypted_content")
    ),
    "no-web-search-items": Fault("refuses web_search_call items", refusals.item_type("web_search_call")),
    "other-account": Fault("refuses encrypted reasoning of before: another account", refusals.other_account()),
    "invalid-image": Fault("refuses what is no image, and names the part", refusals.images(None)),
    "invalid-image-somewhere": Fault("refuses what is no image, and names only the input", refusals.images("input")),
    "no-images": Fault("refuses every image", refusals.no_images()),
    "codex-instructions": Fault("refuses instructions without the mark [codex]", refusals.instructions("[codex]")),
    "too-large": Fault("413, with a page, for bodies over N kB", refusals.size(), 1000),
    # The connection.
    "open-end": Fault("the connection stays open after the end", wire.open_end()),
    "close-later": Fault("after N milliseconds the connection closes without an answer", wire.close_later(), 1500),
    "until-close": Fault("no length and no chunks: ends with the connection", wire.until_close()),
    "cut": Fault(f"{_EVENTS} the connection closes", wire.break_off(End.CUT), 4),
    "cut-mid-event": Fault(f"{_EVENTS} and a half the connection closes", wire.mid_event(End.CUT), 4),
    "cut-before-head": Fault("the connection closes without an answer", wire.no_head(End.CUT)),
    "too-short": Fault("the connection closes before content-length is reached", wire.too_short()),
    "reset": Fault(f"{_EVENTS} the connection is reset", wire.break_off(End.RESET), 4),
    "reset-before-head": Fault("the connection is reset without an answer", wire.no_head(End.RESET)),
    "hang": Fault(f"{_EVENTS} nothing more comes", wire.break_off(End.HANG), 4),
    "hang-before-head": Fault("no answer ever comes", wire.no_head(End.HANG)),
    "half-head": Fault("half a head, then the connection closes", wire.no_head(wire.HALF_HEAD, End.CUT)),
    "half-head-hang": Fault("half a head, then nothing", wire.no_head(wire.HALF_HEAD, End.HANG)),
    "not-http": Fault("bytes that are no HTTP", wire.no_head(wire.NOT_HTTP, End.CUT)),
    "bad-chunk": Fault(f"{_EVENTS} a chunk size that is no number", wire.break_off(wire.BAD_CHUNK, End.CUT), 4),
    "flood": Fault("one line of N MiB, then the connection closes", wire.flood(), 64),
}


Edits = list[tuple[Edit, int]]
"""Edits, each with its number."""


class UnknownFaultError(ValueError):
    """There is no such fault, or its number is not one."""


def parse_faults(name: str, at: int | None = None) -> Edits:
    """Return the edits that a name such as `gzip+cut@2` stands for.

    `at` is the number of all that have none of their own.

    Raises UnknownFaultError, with the nearest names in its message.
    """
    return [_edit(each.strip(), at) for each in name.split("+")]


def _edit(name: str, at: int | None) -> tuple[Edit, int]:
    name, at_sign, number = name.partition("@")
    if name not in FAULTS:
        near = [each for each in FAULTS if each.split("-")[0] == name.split("-")[0]] or list(FAULTS)
        raise UnknownFaultError(f"there is no fault {name!r}: there are {', '.join(near)}")
    fault = FAULTS[name]
    if at_sign and not number.isdecimal():
        raise UnknownFaultError(f"after the @ of {name!r} comes a whole number, not {number!r}")
    if at_sign:
        return fault.edit, int(number)
    return fault.edit, (fault.at or 0) if at is None else at


def apply(found: Edits, planned: PlannedResponse) -> None:
    """Apply all of these to a response."""
    for edit, number in found:
        edit(planned, number)
