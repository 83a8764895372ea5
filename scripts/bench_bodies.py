"""The bodies that the benchmark sends: requests shaped like OpenCode's, responses shaped like a Codex endpoint's.

Strategy: the cost depends on shape and size, so both are realistic and the same in every run; the words are random.
Tool outputs are prose, or look like source code, whose many line breaks and quotation marks slow down JSON parsers.
Each event of a response is sent as a separate HTTP chunk, as by an endpoint that flushes after each event.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

MODEL = "gpt-5.3-codex"

# Request sizes in bytes, of OpenCode's first request and after an hour, half a day and a long day of work; and the
# number of tool calls in each.
FIRST, HOUR, HALF_DAY, DAY = 28_000, 325_000, 1_000_000, 3_400_000
CALLS = {FIRST: 0, HOUR: 80, HALF_DAY: 260, DAY: 900}

_WORDS = (
    *("amber", "barn", "candle", "drift", "ember", "field", "garden", "harbour", "island", "jacket", "kettle"),
    *("lantern", "meadow", "needle", "orchard", "pebble", "quarry", "ribbon", "saddle", "timber", "umbrella"),
    *("valley", "window", "yonder", "zephyr"),
)
_USER_PREFIX = "Please: "
_END_OF_INPUT = b'],"max_output_tokens"'
_FIRST_LATER_CALL = 10_000  # its number; those of the first request are below
_NON_ASCII = "café, naïve → Ελλάδα …"
_TOOLS = ("question", "bash", "read", "glob", "grep", "task", "webfetch", "todowrite", "skill", "apply_patch")


def request(size: int, code: bool = False) -> bytes:
    """Return a request body of about `size` bytes, one of the four sizes above, formatted as JavaScript does it.

    Tool outputs are prose, with one JSON escape in a hundred bytes, or `code`, with three.
    """
    rng = random.Random(size)
    calls = CALLS[size]
    body: dict[str, Any] = {
        "model": MODEL,
        "input": [
            {"role": "developer", "content": _system_prompt(rng)},
            {"role": "user", "content": [{"type": "input_text", "text": f"{_USER_PREFIX}{_prose(rng, 200)}"}]},
        ],
        "max_output_tokens": 32000,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "ses_0123456789abcdef",
        "reasoning": {"effort": "medium", "summary": "auto"},
        "tools": [_tool(rng, name) for name in _TOOLS],
        "tool_choice": "auto",
        "stream": True,
    }
    remaining = size - len(_json(body))
    for number in range(calls):
        body["input"] += _turn(rng, number, remaining // calls, code)
    if not calls:
        body["input"][1]["content"][0]["text"] += _prose(rng, remaining)
    return _json(body)


def other_conversation(body: bytes, number: int) -> bytes:
    """Return the request with a user message that differs for each `number`."""
    return body.replace(f'"{_USER_PREFIX}'.encode(), f'"{number} {_USER_PREFIX}'.encode(), 1)


def later_turn(body: bytes, turns: int) -> bytes:
    """Return the request of the same conversation `turns` turns later; each turn adds a tool call."""
    items = (
        item for turn in range(turns) for item in _turn(random.Random(turn), _FIRST_LATER_CALL + turn, 3000, False)
    )
    return body.replace(_END_OF_INPUT, b"".join(b"," + _json(item) for item in items) + _END_OF_INPUT, 1)


class ResponseEvents:
    """Creates the events of one response, with consecutive sequence numbers."""

    def __init__(self) -> None:
        self.sequence_number = 0
        self.text = ""
        self.rng = random.Random(1)

    def event(self, kind: str, **members: Any) -> bytes:
        """Return the next event, of the type `kind`."""
        data = {"type": kind, "sequence_number": self.sequence_number, **members}
        self.sequence_number += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), _json(data))

    def delta(self, text: str) -> bytes:
        """Return the next event, which adds `text` to the output."""
        self.text += text
        return self.event(
            "response.output_text.delta",
            item_id="msg_0123456789abcdef0123456789abcdef0123456789abcdef",
            output_index=0,
            content_index=0,
            delta=text,
            logprobs=[],
            obfuscation="x" * (15 - len(text) % 16),
        )

    def token(self) -> str:
        """Return a random text as short as the deltas of models."""
        return f" {self.rng.choice(_WORDS)}" if self.rng.random() < 0.9 else ',\n\t"'

    def opening(self) -> list[bytes]:
        """Return the events before the text; the first two contain the name of the model."""
        response = {"id": "resp_0123456789abcdef", "object": "response", "model": MODEL, "status": "in_progress"}
        part = {"item_id": _ITEM["id"], "output_index": 0, "content_index": 0}
        return [
            self.event("response.created", response={**response, "output": []}),
            self.event("response.in_progress", response={**response, "output": []}),
            self.event("response.output_item.added", output_index=0, item={**_ITEM, "status": "in_progress"}),
            self.event("response.content_part.added", **part, part=_part("")),
        ]

    def closing(self) -> list[bytes]:
        """Return the events after the text; the list of output items is empty, as in those of Codex endpoints."""
        usage = {"input_tokens": 9000, "output_tokens": 5000, "total_tokens": 14000}
        response = {"id": "resp_0123456789abcdef", "object": "response", "model": MODEL, "status": "completed"}
        part = {"item_id": _ITEM["id"], "output_index": 0, "content_index": 0}
        item = {**_ITEM, "status": "completed", "content": [_part(self.text)]}
        return [
            self.event("response.output_text.done", **part, text=self.text, logprobs=[]),
            self.event("response.content_part.done", **part, part=_part(self.text)),
            self.event("response.output_item.done", output_index=0, item=item),
            self.event("response.completed", response={**response, "output": [], "usage": usage}),
        ]


def small() -> list[bytes]:
    """Return a response of nine events."""
    events = ResponseEvents()
    return [*events.opening(), events.delta(" hello"), *events.closing()]


def deltas(count: int) -> list[bytes]:
    """Return the events of a response with `count` deltas."""
    events = ResponseEvents()
    return [*events.opening(), *(events.delta(events.token()) for _ in range(count)), *events.closing()]


def megabytes(count: int) -> Iterator[bytes]:
    """Yield the chunked body of a response of `count` megabytes, about a megabyte at a time."""
    events = ResponseEvents()
    yield b"".join(map(chunk, events.opening()))
    repeated = b"".join(chunk(events.delta(_prose(events.rng, 800))) for _ in range(1000))
    for _ in range(round(count * 1e6 / len(repeated))):
        yield repeated
    yield b"".join(map(chunk, events.closing()))


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def chunk(data: bytes) -> bytes:
    """Return `data` as a chunk of a chunked body (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


_ITEM = {
    "id": "msg_0123456789abcdef0123456789abcdef0123456789abcdef",
    "type": "message",
    "role": "assistant",
    "content": [],
}


def _system_prompt(rng: random.Random) -> str:
    """Return a text that begins like OpenCode's system prompt and continues like the context that it adds."""
    rules = "\n".join(f"- {_prose(rng, 120)}" for _ in range(70))
    project = "\n".join(_prose(rng, 90) for _ in range(20))
    return (
        f"You are OpenCode, {_prose(rng, 100)}\n\n{rules}\n"
        f"You are powered by the model named {MODEL}. {_prose(rng, 40)}\n<env>\n  Platform: linux\n</env>\n"
        f"Instructions from: /home/user/project/AGENTS.md\n{project}\n"
    )


def _tool(rng: random.Random, name: str) -> dict[str, Any]:
    arguments = ("command",) if name == "bash" else ("filePath", "pattern", "limit")
    properties = {argument: {"type": "string", "description": _prose(rng, 80)} for argument in arguments}
    schema = {"type": "object", "properties": properties, "required": [arguments[0]], "additionalProperties": False}
    description = "\n".join(_prose(rng, 100) for _ in range(8))
    return {"type": "function", "name": name, "description": description, "parameters": schema, "strict": False}


def _turn(rng: random.Random, number: int, size: int, code: bool) -> list[dict[str, Any]]:
    """Return the input items of a tool call, `size` bytes in all: reasoning, the call, and an output that fills up."""
    call_id = f"call_{number:024x}"
    arguments = json.dumps({"filePath": f"/home/user/project/src/module_{number}.py", "offset": number})
    turn: list[dict[str, Any]] = [
        {"type": "reasoning", "encrypted_content": rng.randbytes(300).hex(), "summary": []},
        {"type": "function_call", "call_id": call_id, "name": "read", "arguments": arguments},
        {"type": "function_call_output", "call_id": call_id, "output": ""},
    ]
    remaining = size - len(_json(turn))
    lines: list[str] = []
    while remaining > 0:
        lines.append(_line_of_code(rng, len(lines)) if code else _prose(rng, 80))
        remaining -= len(_json(lines[-1]))
    if number % 10 == 0:
        lines.append(_NON_ASCII)
    turn[2]["output"] = "\n".join(lines)
    return turn


def _line_of_code(rng: random.Random, number: int) -> str:
    name, value, other = rng.choices(_WORDS, k=3)
    return f"{number:05}|     {name} = " + (f'call("{value}") + {other}' if number % 4 == 0 else f"{value}[{other}]")


def _prose(rng: random.Random, size: int) -> str:
    """Return random words, about `size` characters in all."""
    words: list[str] = []
    while size > 0:
        words.append(rng.choice(_WORDS))
        size -= len(words[-1]) + 1
    return " ".join(words)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
