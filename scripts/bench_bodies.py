"""What the benchmark sends and gets: requests shaped like OpenCode's, answers shaped like a Codex endpoint's.

Strategy: shape and size are what cost time, so both are made to measure, the same on every run, from words that mean
nothing. Tool outputs are plain text, or look like source code: its many line ends and quotation marks slow JSON
parsers down. Answers come as HTTP chunks, one an event, as endpoints that flush each event send them.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

MODEL = "gpt-5.3-codex"

# The sizes of requests, in bytes: OpenCode's first, an hour's work, half a day's, and a long day's with 900 tool calls.
FIRST, HOUR, HALF_DAY, DAY = 28_000, 325_000, 1_000_000, 3_400_000
CALLS = {FIRST: 0, HOUR: 80, HALF_DAY: 260, DAY: 900}

_WORDS = (
    *("amber", "barn", "candle", "drift", "ember", "field", "garden", "harbour", "island", "jacket", "kettle"),
    *("lantern", "meadow", "needle", "orchard", "pebble", "quarry", "ribbon", "saddle", "timber", "umbrella"),
    *("valley", "window", "yonder", "zephyr"),
)
_FOREIGN = "café, naïve → Ελλάδα …"
_TOOLS = ("question", "bash", "read", "glob", "grep", "task", "webfetch", "todowrite", "skill", "apply_patch")


def request(size: int, code: bool = False) -> bytes:
    """A request body of about `size` bytes, which is one of the four above, as JavaScript writes it.

    Tool outputs are text, with one escape in a hundred bytes, or `code`, with three.
    """
    dice = random.Random(size)
    calls = CALLS[size]
    body: dict[str, Any] = {
        "model": MODEL,
        "input": [
            {"role": "developer", "content": _prompt(dice)},
            {"role": "user", "content": [{"type": "input_text", "text": _prose(dice, 200)}]},
        ],
        "max_output_tokens": 32000,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "ses_0123456789abcdef",
        "reasoning": {"effort": "medium", "summary": "auto"},
        "tools": [_tool(dice, name) for name in _TOOLS],
        "tool_choice": "auto",
        "stream": True,
    }
    share = (size - len(_json(body))) // max(calls, 1)
    for number in range(calls):
        body["input"] += _turn(dice, number, share, code)
    if not calls:
        body["input"][1]["content"][0]["text"] += _prose(dice, share)
    return _json(body)


class Events:
    """Makes the events of one answer, numbered as they come."""

    def __init__(self) -> None:
        self.number = 0
        self.text = ""
        self.dice = random.Random(1)

    def event(self, kind: str, **members: Any) -> bytes:
        """One event."""
        data = {"type": kind, "sequence_number": self.number, **members}
        self.number += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), _json(data))

    def delta(self, text: str) -> bytes:
        """One event with a piece of text."""
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

    def word(self) -> str:
        """A piece of text as models write them."""
        return f" {self.dice.choice(_WORDS)}" if self.dice.random() < 0.9 else ',\n\t"'

    def opening(self) -> list[bytes]:
        """What comes before the text: the first two events have to echo the model's name."""
        response = {"id": "resp_0123456789abcdef", "object": "response", "model": MODEL, "status": "in_progress"}
        part = {"item_id": _ITEM["id"], "output_index": 0, "content_index": 0}
        return [
            self.event("response.created", response={**response, "output": []}),
            self.event("response.in_progress", response={**response, "output": []}),
            self.event("response.output_item.added", output_index=0, item={**_ITEM, "status": "in_progress"}),
            self.event("response.content_part.added", **part, part=_part("")),
        ]

    def closing(self) -> list[bytes]:
        """What comes after the text; the list of output items is empty, as Codex endpoints send it."""
        usage = {"input_tokens": 9000, "output_tokens": 5000, "total_tokens": 14000}
        response = {"id": "resp_0123456789abcdef", "object": "response", "model": MODEL, "status": "completed"}
        about = {"item_id": _ITEM["id"], "output_index": 0, "content_index": 0}
        item = {**_ITEM, "status": "completed", "content": [_part(self.text)]}
        return [
            self.event("response.output_text.done", **about, text=self.text, logprobs=[]),
            self.event("response.content_part.done", **about, part=_part(self.text)),
            self.event("response.output_item.done", output_index=0, item=item),
            self.event("response.completed", response={**response, "output": [], "usage": usage}),
        ]


def small() -> list[bytes]:
    """An answer of nine events."""
    events = Events()
    return [*events.opening(), events.delta(" hello"), *events.closing()]


def deltas(count: int) -> list[bytes]:
    """An answer with this many deltas."""
    events = Events()
    return [*events.opening(), *(events.delta(events.word()) for _ in range(count)), *events.closing()]


def megabytes(count: int) -> Iterator[bytes]:
    """The chunks of an answer of this many megabytes, a megabyte at a time."""
    events = Events()
    yield b"".join(map(chunk, events.opening()))
    part = b"".join(chunk(events.delta(_prose(events.dice, 800))) for _ in range(1000))
    for _ in range(round(count * 1e6 / len(part))):
        yield part
    yield b"".join(map(chunk, events.closing()))


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def chunk(data: bytes) -> bytes:
    """One chunk of a body (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


_ITEM = {
    "id": "msg_0123456789abcdef0123456789abcdef0123456789abcdef",
    "type": "message",
    "role": "assistant",
    "content": [],
}


def _prompt(dice: random.Random) -> str:
    """Begins like OpenCode's system prompt and goes on like its context."""
    rules = "\n".join(f"- {_prose(dice, 120)}" for _ in range(70))
    project = "\n".join(_prose(dice, 90) for _ in range(20))
    return (
        f"You are OpenCode, {_prose(dice, 100)}\n\n{rules}\n"
        f"You are powered by the model named {MODEL}. {_prose(dice, 40)}\n<env>\n  Platform: linux\n</env>\n"
        f"Instructions from: /home/user/project/AGENTS.md\n{project}\n"
    )


def _tool(dice: random.Random, name: str) -> dict[str, Any]:
    arguments = ("command",) if name == "bash" else ("filePath", "pattern", "limit")
    properties = {each: {"type": "string", "description": _prose(dice, 80)} for each in arguments}
    schema = {"type": "object", "properties": properties, "required": [arguments[0]], "additionalProperties": False}
    description = "\n".join(_prose(dice, 100) for _ in range(8))
    return {"type": "function", "name": name, "description": description, "parameters": schema, "strict": False}


def _turn(dice: random.Random, number: int, size: int, code: bool) -> list[dict[str, Any]]:
    """A tool call: the thought before it, the call, and an output that fills it up to `size` bytes."""
    call_id = f"call_{number:024x}"
    arguments = json.dumps({"filePath": f"/home/user/project/src/module_{number}.py", "offset": number})
    turn: list[dict[str, Any]] = [
        {"type": "reasoning", "encrypted_content": dice.randbytes(300).hex(), "summary": []},
        {"type": "function_call", "call_id": call_id, "name": "read", "arguments": arguments},
        {"type": "function_call_output", "call_id": call_id, "output": ""},
    ]
    left = size - len(_json(turn))
    lines: list[str] = []
    while left > 0:
        lines.append(_line_of_code(dice, len(lines)) if code else _prose(dice, 80))
        left -= len(_json(lines[-1]))
    if number % 10 == 0:
        lines.append(_FOREIGN)
    turn[2]["output"] = "\n".join(lines)
    return turn


def _line_of_code(dice: random.Random, number: int) -> str:
    name, value, other = dice.choices(_WORDS, k=3)
    return f"{number:05}|     {name} = " + (f'call("{value}") + {other}' if number % 4 == 0 else f"{value}[{other}]")


def _prose(dice: random.Random, size: int) -> str:
    words: list[str] = []
    while size > 0:
        words.append(dice.choice(_WORDS))
        size -= len(words[-1]) + 1
    return " ".join(words)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
