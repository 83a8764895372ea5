"""OpenAI's SDK: `try_openai.py SCENARIO`."""

import openai
from pydantic import BaseModel
from results import MODEL, SYSTEM, TOOL, scenarios

client = openai.OpenAI(max_retries=0, timeout=60)


class Trip(BaseModel):
    city: str
    days: int


def basics():
    created = client.responses.create(model=MODEL, instructions=SYSTEM, input="say hello")
    with client.responses.stream(model=MODEL, instructions=SYSTEM, input="say hello") as stream:
        deltas = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        streamed = stream.get_final_response()
    parsed = client.responses.parse(model=MODEL, input="plan a trip", text_format=Trip)
    return {
        "created": created.output_text,
        "deltas": deltas,
        "streamed": streamed.output_text,
        "parsed": parsed.output_parsed.model_dump(),
        "models": [created.model, streamed.model],
    }


def tools():
    first = client.responses.create(
        model=MODEL, input='use add with {"a": 1} and also use add with {"a": 2}', tools=[TOOL]
    )
    calls = [item for item in first.output if item.type == "function_call"]
    outputs = [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"got {call.arguments}"} for call in calls
    ]
    second = client.responses.create(model=MODEL, input=outputs, previous_response_id=first.id, tools=[TOOL])
    return {"calls": [call.arguments for call in calls], "text": second.output_text}


def chain():
    responses, previous = [], None
    for turn in range(5):
        response = client.responses.create(
            model=MODEL, instructions=SYSTEM, input=f"turn {turn}", previous_response_id=previous
        )
        responses.append(response)
        previous = response.id
    last = responses[-1]
    items = client.responses.input_items.list(last.id).data
    client.responses.delete(responses[0].id)
    return {
        "texts": [each.output_text for each in responses],
        "retrieved": client.responses.retrieve(last.id).output_text,
        "input": [item.content[0].text for item in items],
        "deleted": failure(lambda: client.responses.retrieve(responses[0].id)),
        "broken": failure(lambda: client.responses.create(model=MODEL, input="x", previous_response_id=last.id)),
    }


def conversation():
    created = client.conversations.create(items=[{"type": "message", "role": "user", "content": "My name is Ada."}])
    texts = [
        client.responses.create(model=MODEL, input=f"turn {turn}", conversation=created.id).output_text
        for turn in range(3)
    ]
    items = client.conversations.items.list(created.id, order="asc", limit=100)
    texts_of_items = [item.content[0].text for item in items if item.type == "message"]
    client.conversations.delete(created.id)
    gone = failure(lambda: client.responses.create(model=MODEL, input="x", conversation=created.id))
    return {"texts": texts, "items": texts_of_items, "gone": gone}


def background():
    begun = client.responses.create(model=MODEL, input="say hello", background=True)
    events = list(client.responses.retrieve(begun.id, stream=True))  # until the response has ended
    ended = client.responses.retrieve(begun.id)
    return {"began": begun.status, "ended": ended.status, "text": ended.output_text, "last": events[-1].type}


def other_paths():
    counted = client.responses.input_tokens.count(model=MODEL, input="some words " * 50)
    compacted = client.responses.compact(model=MODEL, input=[{"role": "user", "content": "say hello"}])
    return {
        "models": [model.id for model in client.models.list()],
        "model": client.models.retrieve(MODEL).id,
        "tokens": counted.input_tokens,
        "compacted": [item.type for item in compacted.output],
    }


def as_codex():
    """A request that an endpoint accepts unchanged: the same with and without a proxy."""
    body = {
        "model": MODEL,
        "instructions": SYSTEM,
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "use add"}]}],
        "tools": [TOOL],
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "extra_headers": {"originator": "try_openai", "accept": "text/event-stream"},
    }
    results = []
    for _ in range(2):
        items = [
            event.item for event in client.responses.create(stream=True, **body) if event.type.endswith("item.done")
        ]
        results.append([[item.type, getattr(item, "arguments", None)] for item in items])
        call = items[-1]
        if call.type == "function_call":
            body["input"] += [item.model_dump(exclude_none=True) for item in items]
            body["input"].append({"type": "function_call_output", "call_id": call.call_id, "output": "3"})
    return {"items": results, "text": items[-1].content[0].text}


def failure(call):
    try:
        call()
    except openai.APIStatusError as error:
        return [error.status_code, error.code]
    return None


scenarios(basics, tools, chain, conversation, background, other_paths, as_codex)
