"""Streams turned into one response object, and response objects turned into streams."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter
from response.streams import USAGE, answer, call, dumps, message, numbered, reasoning, response, stream

from codex_transform.errors import ApiError
from codex_transform.response.client_view import ClientView
from codex_transform.response.events_to_response import collect, events_to_response
from codex_transform.response.response_to_events import response_to_events, response_to_stream
from codex_transform.response.stream import ResponseStream

EVENTS = TypeAdapter(ResponseStreamEvent)
CREATED = {"type": "response.created", "response": response(status="in_progress")}


def folded(*events: Any, model: str | None = None) -> dict[str, Any]:
    return events_to_response(collect(stream(numbered([CREATED, *events])), ResponseStream(ClientView(model), None)))


def ended(output: Any = (), **more: Any) -> dict[str, Any]:
    whole = response(output, **more)
    return {"type": f"response.{whole['status']}", "response": whole}


def done(index: int, item: Any) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


# Every kind of item there is, as in the API reference.
ITEMS: list[dict[str, Any]] = [
    message("Hi"),
    message(""),
    {**message(), "content": [*message("one")["content"], {"type": "refusal", "refusal": "I cannot."}]},
    {
        **message("noted"),
        "content": [
            {
                "type": "output_text",
                "text": "noted",
                "logprobs": [],
                "annotations": [
                    {"type": "url_citation", "start_index": 0, "end_index": 5, "url": "https://a.example", "title": "A"}
                ],
            }
        ],
    },
    {**message("commentary"), "phase": "commentary"},
    reasoning(),
    {"id": "rs_2", "type": "reasoning", "summary": []},
    {"id": "rs_3", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
    call(),
    call(""),
    {
        "id": "ctc_1",
        "type": "custom_tool_call",
        "status": "completed",
        "call_id": "call_2",
        "name": "apply_patch",
        "input": "*** Begin Patch\n",
    },
    {
        "id": "lsh_1",
        "type": "local_shell_call",
        "status": "completed",
        "call_id": "call_3",
        "action": {"type": "exec", "command": ["ls"], "env": {}},
    },
    {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "aGk="},
    {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
    {"id": "mcp_1", "type": "mcp_call", "name": "n", "server_label": "s", "arguments": "{}", "output": "o"},
    {"id": "new_1", "type": "brand_new_call", "status": "completed", "payload": [1]},
]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["type"])
def test_a_response_is_streamed_as_the_api_would_stream_it(item: dict[str, Any]) -> None:
    """Checked against OpenAI's own event models, which do not know item types that do not exist yet."""
    whole = response([item])
    for event in response_to_events(whole):
        if item["type"] != "brand_new_call":
            EVENTS.validate_python(event)
    assert events_to_response(collect(response_to_stream(whole), ResponseStream(ClientView(), None))) == whole
    assert events_to_response(collect(dumps(whole), ResponseStream(ClientView(), None))) == whole


def test_the_events_of_an_item_come_in_the_apis_order() -> None:
    types = [
        event["type"].removeprefix("response.")
        for event in response_to_events(response([reasoning(), message(), call()]))
    ]
    assert types == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    added = response_to_events(response([message()]))[2]
    assert added["item"] == {**message(), "content": [], "status": "in_progress"}


def test_the_first_event_holds_a_response_in_progress() -> None:
    details = {"reason": "max_output_tokens"}
    begun = response_to_events(response([message()], "incomplete", incomplete_details=details))[0]["response"]
    assert begun == response(status="in_progress")


def test_the_events_are_numbered() -> None:
    events = response_to_events(response(ITEMS))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


@given(
    st.lists(st.sampled_from(ITEMS), max_size=6),
    st.sampled_from([("completed", None), ("incomplete", {"reason": "max_output_tokens"})]),
    st.dictionaries(
        st.text(max_size=5).map("x_{}".format),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.text(max_size=9)
            | st.floats(allow_nan=False, allow_infinity=False),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=3,
    ),
)
def test_a_response_survives_the_round_trip(items: list[Any], end: tuple[str, Any], more: dict[str, Any]) -> None:
    status, details = end
    whole = response([{**item, "id": f"{at}_{item['id']}"} for at, item in enumerate(items)], status, **more)
    whole["incomplete_details"] = details
    assert events_to_response(collect(response_to_stream(whole), ResponseStream(ClientView(), None))) == whole
    assert events_to_response(collect(dumps(whole), ResponseStream(ClientView(), None))) == whole


# --- streams to responses ----------------------------------------------------------------------------------------


def test_the_output_is_the_finished_items_in_order() -> None:
    items = [reasoning(), call(item_id="fc_1"), call(item_id="fc_2"), message()]
    found = folded(*(done(at, items[at]) for at in (3, 0, 2, 1)), ended())
    assert found["output"] == items
    assert found["usage"] == USAGE


def test_items_with_the_same_index_keep_the_order_in_which_they_came() -> None:
    assert folded(done(0, reasoning()), done(0, message()), ended())["output"] == [reasoning(), message()]


def test_an_index_may_be_used_again() -> None:
    begun = {"type": "response.output_item.added", "output_index": 0, "item": {**message(), "content": []}}
    delta = {
        "type": "response.output_text.delta",
        "item_id": "msg_1",
        "output_index": 0,
        "content_index": 0,
        "delta": "Hi",
    }
    assert folded(done(0, reasoning()), begun, delta, ended())["output"] == [reasoning(), message("Hi")]


def test_without_items_the_output_is_that_of_the_final_event() -> None:
    assert folded(ended([message()]))["output"] == [message()]
    assert folded(done(0, reasoning()), ended([reasoning(), message()]))["output"] == [reasoning(), message()]


@pytest.mark.parametrize("begun", [True, False])
def test_without_either_the_output_is_what_the_deltas_add_up_to(begun: bool) -> None:
    added = {"type": "response.output_item.added", "output_index": 1}
    at = {"item_id": "msg_1", "output_index": 1}
    deltas = [
        {"type": "response.output_text.delta", **at, "content_index": 0, "delta": "Hel"},
        {"type": "response.refusal.delta", **at, "content_index": 1, "delta": "No"},
        {"type": "response.output_text.delta", **at, "content_index": 0, "delta": "lo"},
        {"type": "response.refusal.delta", **at, "content_index": 1, "delta": "!"},
    ]
    events = [{**added, "item": {**message(), "content": [], "status": "in_progress"}}] if begun else []
    found = folded(*events, *deltas, ended())["output"]
    text = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
    parts = [text, {"type": "refusal", "refusal": "No!"}]
    assert found == [{**message(), "content": parts}]


def test_an_unfinished_item_is_assembled_beside_the_finished_ones() -> None:
    begun = {"type": "response.output_item.added", "output_index": 0, "item": {**call(""), "status": "in_progress"}}
    input_ = {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "output_index": 0}
    thought = {
        "type": "response.reasoning_summary_text.delta",
        "item_id": "rs_9",
        "output_index": 2,
        "summary_index": 0,
    }
    non_event_text = {
        "type": "response.function_call_arguments.delta",
        "item_id": "fc_9",
        "output_index": 3,
        "delta": "{}",
    }
    found = folded(
        begun,
        {**input_, "delta": '{"path":'},
        done(1, message()),
        {**input_, "delta": '"a"}'},
        {**input_, "output_index": 1, "delta": "late"},
        {**thought, "delta": "Hm."},
        non_event_text,
        ended(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
    )
    assert found["output"] == [
        {**call(), "status": "incomplete"},
        message(),
        {
            "id": "rs_9",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "status": "incomplete",
        },
    ]
    assert found["incomplete_details"] == {"reason": "max_output_tokens"}
    assert found["status"] == "incomplete"


def test_the_relays_names_for_the_end_and_the_model_do_not_matter() -> None:
    events = answer()
    events[-1] = {**events[-1], "type": "response.done"}
    found = events_to_response(collect(stream(events), ResponseStream(ClientView("gpt-5-nano"), None)))
    assert found == {**response([message()]), "model": "gpt-5-nano"}
    assert (
        events_to_response(collect(dumps(response([message()])), ResponseStream(ClientView("gpt-5-nano"), None)))
        == found
    )


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("rate_limit_exceeded", 429),
        ("usage_limit_reached", 429),
        ("insufficient_quota", 429),
        ("context_length_exceeded", 400),
        ("invalid_prompt", 400),
        ("invalid_image_url", 400),
        ("image_too_large", 400),
        ("server_error", 500),
        ("server_is_overloaded", 503),
        ("slow_down", 503),
        ("model_not_found", 404),
        ("never_heard_of", 502),
    ],
)
def test_a_failed_response_becomes_the_status_of_its_code(code: str, status: int) -> None:
    problem = {"code": code, "message": "It failed."}
    failed = ended(status="failed", error=problem)
    ways = [
        stream([CREATED, failed]),
        stream([failed]),
        stream([CREATED, {"type": "error", "error": {**problem, "type": code}}]),
        stream([CREATED, {"type": "error", **problem}]),
        dumps(failed["response"]),
        dumps({"error": problem}),
    ]
    for body in ways:
        with pytest.raises(ApiError) as caught:
            events_to_response(collect(body, ResponseStream(ClientView("m"), None)))
        assert (caught.value.status, caught.value.code, caught.value.message) == (status, code, "It failed.")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"text",
        b'{"x":1}',
        stream([CREATED]),
        stream(answer()[:-2]),
        stream(answer())[:-40],
        stream(answer()[:-2]) + b"data: [DONE]\n\n",
    ],
)
def test_an_incomplete_or_missing_response_is_a_502(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        events_to_response(collect(body, ResponseStream(ClientView(), None)))
    assert caught.value.status == 502


def test_retry_after_of_a_limit() -> None:
    limit = {"type": "error", "error": {"type": "usage_limit_reached", "message": "x", "resets_in_seconds": 30}}
    for events in ([limit], [CREATED, limit]):
        with pytest.raises(ApiError) as caught:
            events_to_response(collect(stream(events), ResponseStream(ClientView(), None)))
        assert caught.value.retry_after == 30


@pytest.mark.parametrize("usage", [{}, {"total_tokens": 5}, {"input_tokens": "7", "output_tokens": 2}, None, 3])
def test_usage_always_has_counts(usage: Any) -> None:
    """Without both counts OpenCode takes the response for an empty one and retries forever."""
    event = {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": [], "usage": usage}}
    counted = events_to_response(collect(b"data: " + dumps(event) + b"\n\n", ResponseStream(ClientView(), None)))[
        "usage"
    ]
    assert type(counted["input_tokens"]) is int
    assert type(counted["output_tokens"]) is int
    assert counted["input_tokens_details"]["cached_tokens"] == 0


def test_a_completed_event_with_a_failed_response_fails() -> None:
    response = {"id": "r", "status": "failed", "output": [], "error": {"code": "server_error", "message": "Broke."}}
    with pytest.raises(ApiError, match="Broke"):
        events_to_response(
            collect(
                b"data: " + dumps({"type": "response.completed", "response": response}) + b"\n\n",
                ResponseStream(ClientView(), None),
            )
        )


def test_a_final_event_too_large_to_read_is_an_error() -> None:
    event = b'data: {"type":"response.failed","response":{"status":"failed","x":"' + b"y" * (33 << 20) + b'"}}\n\n'
    with pytest.raises(ApiError):
        events_to_response(collect(event, ResponseStream(ClientView(), None)))
