"""What is to be done with each type of event. Whoever adds a rule adds a line to `RULES`.

Strategy: a rule names the members that the OpenAI API reference ("Responses / Streaming events") requires besides
`type`, and at most one further action. `event_repair` fills in the members that are missing and acts; an event that
has all of them and needs no action leaves as the bytes that it came in.
"""

from enum import Enum, auto
from typing import NamedTuple


class Action(Enum):
    """What an event needs besides its required members."""

    PASS = auto()  # nothing
    RESPONSE = auto()  # its response is what the client asked for, and complete
    ITEM = auto()  # it begins or finishes an output item
    TERMINAL = auto()  # it ends the answer: the response, missing output and what has not passed of it, once only
    ERROR = auto()  # it ends the answer with an error: put it in the shape that clients know
    DROP = auto()  # no OpenAI client knows it


class Rule(NamedTuple):
    """An action, and the members that the event must have."""

    action: Action
    needs: tuple[str, ...] = ()


_NUMBERED = ("sequence_number",)
_ITEM = ("sequence_number", "item_id", "output_index")
_PART = (*_ITEM, "content_index")
_SUMMARY = (*_ITEM, "summary_index")

RULES: dict[str, Rule] = {
    "response.created": Rule(Action.RESPONSE, _NUMBERED),
    "response.in_progress": Rule(Action.RESPONSE, _NUMBERED),
    "response.queued": Rule(Action.RESPONSE, _NUMBERED),
    "response.output_item.added": Rule(Action.ITEM, ("sequence_number", "output_index")),
    "response.output_item.done": Rule(Action.ITEM, ("sequence_number", "output_index")),
    "response.completed": Rule(Action.TERMINAL, _NUMBERED),
    "response.incomplete": Rule(Action.TERMINAL, _NUMBERED),
    "response.failed": Rule(Action.TERMINAL, _NUMBERED),
    # What older relays call the end, whichever it is.
    "response.done": Rule(Action.TERMINAL, _NUMBERED),
    "error": Rule(Action.ERROR, _NUMBERED),
    "response.content_part.added": Rule(Action.PASS, _PART),
    "response.content_part.done": Rule(Action.PASS, _PART),
    "response.output_text.delta": Rule(Action.PASS, _PART),
    "response.output_text.done": Rule(Action.PASS, _PART),
    "response.output_text.annotation.added": Rule(Action.PASS, _PART),
    "response.refusal.delta": Rule(Action.PASS, _PART),
    "response.refusal.done": Rule(Action.PASS, _PART),
    "response.reasoning_text.delta": Rule(Action.PASS, _PART),
    "response.reasoning_text.done": Rule(Action.PASS, _PART),
    "response.reasoning_summary_part.added": Rule(Action.PASS, _SUMMARY),
    "response.reasoning_summary_part.done": Rule(Action.PASS, _SUMMARY),
    "response.reasoning_summary_text.delta": Rule(Action.PASS, _SUMMARY),
    "response.reasoning_summary_text.done": Rule(Action.PASS, _SUMMARY),
    "response.function_call_arguments.delta": Rule(Action.PASS, _ITEM),
    "response.function_call_arguments.done": Rule(Action.PASS, _ITEM),
    "response.custom_tool_call_input.delta": Rule(Action.PASS, _ITEM),
    "response.custom_tool_call_input.done": Rule(Action.PASS, _ITEM),
    "response.mcp_call_arguments.delta": Rule(Action.PASS, _ITEM),
    "response.mcp_call_arguments.done": Rule(Action.PASS, _ITEM),
    "response.mcp_call.in_progress": Rule(Action.PASS, _ITEM),
    "response.mcp_call.completed": Rule(Action.PASS, _ITEM),
    "response.mcp_call.failed": Rule(Action.PASS, _ITEM),
    "response.mcp_list_tools.in_progress": Rule(Action.PASS, _ITEM),
    "response.mcp_list_tools.completed": Rule(Action.PASS, _ITEM),
    "response.mcp_list_tools.failed": Rule(Action.PASS, _ITEM),
    "response.web_search_call.in_progress": Rule(Action.PASS, _ITEM),
    "response.web_search_call.searching": Rule(Action.PASS, _ITEM),
    "response.web_search_call.completed": Rule(Action.PASS, _ITEM),
    "response.file_search_call.in_progress": Rule(Action.PASS, _ITEM),
    "response.file_search_call.searching": Rule(Action.PASS, _ITEM),
    "response.file_search_call.completed": Rule(Action.PASS, _ITEM),
    "response.code_interpreter_call.in_progress": Rule(Action.PASS, _ITEM),
    "response.code_interpreter_call.interpreting": Rule(Action.PASS, _ITEM),
    "response.code_interpreter_call.completed": Rule(Action.PASS, _ITEM),
    "response.code_interpreter_call_code.delta": Rule(Action.PASS, _ITEM),
    "response.code_interpreter_call_code.done": Rule(Action.PASS, _ITEM),
    "response.image_generation_call.in_progress": Rule(Action.PASS, _ITEM),
    "response.image_generation_call.generating": Rule(Action.PASS, _ITEM),
    "response.image_generation_call.partial_image": Rule(Action.PASS, _ITEM),
    "response.image_generation_call.completed": Rule(Action.PASS, _ITEM),
}

# Families, by how the type begins; the first that fits. Everything else is passed on as it is.
PREFIX_RULES: tuple[tuple[str, Rule], ...] = (
    ("codex.", Rule(Action.DROP)),
    ("response.", Rule(Action.PASS, _NUMBERED)),
)

_UNKNOWN = Rule(Action.PASS)


def rule_for(kind: str) -> Rule:
    """Return the rule for an event type."""
    rule = RULES.get(kind)
    if rule is None:
        rule = next((rule for start, rule in PREFIX_RULES if kind.startswith(start)), _UNKNOWN)
    return rule
