"""What the response tests share: events like an endpoint's, and ways to write, cut and read them."""

import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import strategies as st

from codex_transform.errors import ApiError
from codex_transform.response.client_view import ClientView
from codex_transform.response.stream import ResponseStream

Event = dict[str, Any]

NOW = 1763800009

USAGE = {
    "input_tokens": 75,
    "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 0},
    "output_tokens": 12,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 87,
}


def message(text: str = "Hello, world", item_id: str = "msg_1") -> Event:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": item_id, "type": "message", "status": "completed", "role": "assistant", "content": [part]}


def call(arguments: str = '{"path":"a"}', item_id: str = "fc_1") -> Event:
    return {
        "id": item_id,
        "type": "function_call",
        "status": "completed",
        "call_id": f"call_{item_id}",
        "name": "read",
        "arguments": arguments,
    }


def reasoning(item_id: str = "rs_1") -> Event:
    summary = [{"type": "summary_text", "text": "Thinking"}]
    return {"id": item_id, "type": "reasoning", "summary": summary, "encrypted_content": "gAAA"}


def response(output: Sequence[Event] = (), status: str | None = "completed", **more: Any) -> Event:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1763800000,
        "completed_at": NOW if status == "completed" else None,
        "status": status,
        "background": False,
        "error": None,
        "frequency_penalty": 0.0,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": {},
        "model": "gpt-5.3-codex",
        "output": list(output),
        "parallel_tool_calls": True,
        "presence_penalty": 0.0,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": "low", "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None if status == "in_progress" else USAGE,
        **more,
    }


def answer(text: str = "Hello, world", *, cuts: int = 3) -> list[Event]:
    """The events of a response with one message, as the API sends them."""
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    size = max(1, -(-len(text) // cuts))
    begun = response(status="in_progress")
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    events: list[Event] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**message(), "content": [], "status": "in_progress"},
        },
        {"type": "response.content_part.added", **where, "part": part},
        *(
            {
                "type": "response.output_text.delta",
                "content_index": 0,
                "delta": text[at : at + size],
                "item_id": "msg_1",
                "logprobs": [],
                "obfuscation": "a1b2c3",
                "output_index": 0,
            }
            for at in range(0, len(text), size)
        ),
        {"type": "response.output_text.done", **where, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **where, "part": {**part, "text": text}},
        {"type": "response.output_item.done", "output_index": 0, "item": message(text)},
        {"type": "response.completed", "response": response([message(text)])},
    ]
    return numbered(events)


def numbered(events: Iterable[Event], start: int = 0) -> list[Event]:
    return [{**event, "sequence_number": number} for number, event in enumerate(events, start)]


def dumps(event: Any) -> bytes:
    """JSON as the API writes it."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass")


def block(event: Event, *, end: bytes = b"\n", name: str | None = "") -> bytes:
    """One event in the stream; `name` None leaves the event name out, "" takes it from the event."""
    first = b"" if name is None else b"event: " + (name or event["type"]).encode() + end
    return first + b"data: " + dumps(event) + end + end


def stream(events: Iterable[Event], **more: Any) -> bytes:
    return b"".join(block(event, **more) for event in events)


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """`data` cut at these places, in whatever order they are given."""
    places = [0, *sorted({cut for cut in cuts if 0 < cut < len(data)}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


def cuts() -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, 6000), max_size=25)


def run(chunks: Iterable[bytes], model: str | None = None, encoding: str | None = None) -> bytes:
    """Everything that the client gets."""
    answer_stream = ResponseStream(ClientView(model), encoding, lambda: NOW)
    out = [answer_stream.feed(chunk) for chunk in chunks]
    return b"".join([*out, answer_stream.finish()])


def outcome(chunks: Iterable[bytes], model: str | None = None, encoding: str | None = None) -> Any:
    """What the client gets: bytes, or the status and body of an error."""
    try:
        return run(chunks, model, encoding)
    except ApiError as error:
        return error.status, error.payload(), error.retry_after


def events_of(data: bytes) -> list[Event]:
    """The events of a stream, read the plain way."""
    found = []
    for text in data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n"):
        lines = [line.split(b":", 1)[1].removeprefix(b" ") for line in text.split(b"\n") if line.startswith(b"data:")]
        if lines:
            found.append(json.loads(b"\n".join(lines)))
    return found
