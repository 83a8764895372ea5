"""The event stream by itself, and read by OpenAI's SDK."""

from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import CustomToolParam, Response, ResponseCustomToolCall
from sandbox.client import Client

from codex_transform.sandbox import Sandbox, running
from codex_transform.sandbox.events import pieces, response_object, stream

PATCH: CustomToolParam = {"type": "custom", "name": "apply_patch"}
USAGE = {
    "input_tokens": 1,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 1,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 2,
}

texts = st.text(max_size=60)
items = st.lists(
    st.one_of(
        st.builds(
            lambda text: {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": text, "annotations": []}],
            },
            texts,
        ),
        st.builds(
            lambda summary: {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": text} for text in summary],
            },
            st.lists(texts, max_size=2),
        ),
        st.builds(
            lambda text: {
                "type": "function_call",
                "id": "fc_1",
                "call_id": "c",
                "name": "f",
                "status": "completed",
                "arguments": text,
            },
            texts,
        ),
        st.builds(lambda text: {"type": "compaction", "id": "cmp_1", "encrypted_content": text}, texts),
    ),
    max_size=4,
)


@given(texts)
def test_pieces_are_small_and_add_up_to_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
    assert all(len(piece.strip()) <= 12 for piece in pieces(text))


@given(items, st.booleans())
def test_events_have_all_items_complete_and_in_order(items: list[dict[str, Any]], fill_output: bool) -> None:
    events = list(stream(response_object({"model": "m"}, "resp_1"), items, USAGE, fill_output=fill_output))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [(event["output_index"], event["item"]) for event in done] == list(enumerate(items))
    assert events[-1]["response"]["output"] == (items if fill_output else [])
    deltas = "".join(event["delta"] for event in events if event["type"].endswith(".delta"))
    parts = [part for item in items for part in [*item.get("content", ()), *item.get("summary", ()), item]]
    assert deltas == "".join(part.get("text", "") + part.get("arguments", "") for part in parts)
    # An item is added empty: its content follows in deltas.
    for event in events:
        if event["type"] == "response.output_item.added" and event["item"]["type"] != "compaction":
            assert not any(event["item"].get(name) for name in ("content", "summary", "arguments"))


@pytest.mark.parametrize("fill_output", [False, True])
def test_the_openai_sdk_reads_the_stream(fill_output: bool) -> None:
    with running(Sandbox(fill_output=fill_output)) as sandbox:
        client = openai.OpenAI(
            base_url=f"{sandbox.url}/v1",
            api_key=sandbox.key,
            max_retries=0,
            default_headers={"accept": "text/event-stream", "originator": "tests"},
        )
        with (
            client,
            client.responses.stream(
                model="gpt-5.2-codex",
                instructions="Be brief.",
                input=[{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "say hello"}]}],
                reasoning={"effort": "medium", "summary": "auto"},
                include=["reasoning.encrypted_content"],
                store=False,
            ) as events,
        ):
            seen = list(events)
            final = events.get_final_response()
    text = "".join(event.delta for event in seen if event.type == "response.output_text.delta")
    assert text.startswith("[sandbox] Hello!")
    assert final.usage is not None
    assert final.usage.total_tokens > 0
    assert final.output_text == (text if fill_output else "")


def test_the_events_of_a_tool_call_fit_the_openai_sdks_types(sandbox: Sandbox) -> None:
    with openai.OpenAI(
        base_url=f"{sandbox.url}/backend-api/codex",
        api_key=sandbox.key,
        max_retries=0,
        default_headers={"accept": "text/event-stream", "originator": "tests"},
    ) as client:
        events = client.responses.create(
            model="gpt-5.2-codex",
            instructions="Be brief.",
            input=[
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "write a to a.txt"}]},
            ],
            tools=[PATCH],
            store=False,
            stream=True,
        )
        seen = list(events)
    done = [event.item for event in seen if event.type == "response.output_item.done"]
    assert [item.type for item in done] == ["custom_tool_call"]
    assert isinstance(done[0], ResponseCustomToolCall)
    assert "*** Add File: a.txt" in done[0].input
    for event in seen:
        # The SDK itself does not validate what it reads.
        type(event).model_validate(event.to_dict(), strict=False)


def test_the_openai_sdk_accepts_the_terminal_response_and_the_json_document(client: Client) -> None:
    Response.model_validate(client.ask("hello").events[-1]["response"])
    document = client.ask("hello", misbehave="json").json
    assert Response.model_validate(document).output_text.startswith("[sandbox] Hello!")


def test_the_openai_sdk_raises_its_own_errors(sandbox: Sandbox) -> None:
    def create(key: str) -> None:
        with openai.OpenAI(base_url=f"{sandbox.url}/v1", api_key=key, max_retries=0) as client:
            client.responses.create(model="gpt-5.2-codex", input="hello")

    with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
        create("sk-wrong-wrong-wrong")
    with pytest.raises(openai.BadRequestError) as refused:
        create(sandbox.key)
    assert refused.value.response.json() == {"detail": "Store must be set to false"}
