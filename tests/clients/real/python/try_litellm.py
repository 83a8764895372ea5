"""LiteLLM's SDK: its `responses`, and its chat completions that use the Responses API."""

import litellm
from pydantic import BaseModel
from results import MODEL, SYSTEM, TOOL, scenarios


class Trip(BaseModel):
    city: str
    days: int


def chain():
    texts, previous = [], None
    for turn in range(5):
        response = litellm.responses(
            model=f"openai/{MODEL}", instructions=SYSTEM, input=f"turn {turn}", previous_response_id=previous
        )
        texts.append(response.output_text)
        previous = response.id
    retrieved = litellm.get_responses(response_id=previous)
    return {"texts": texts, "retrieved": retrieved.output_text}


def completions():
    function = {"type": "function", "function": {name: TOOL[name] for name in ("name", "description", "parameters")}}
    messages, texts = [{"role": "system", "content": SYSTEM}], []
    for prompt in ["turn 0", 'use add with {"a": 1}', "turn 2"]:
        messages.append({"role": "user", "content": prompt})
        while True:
            completion = litellm.completion(model=f"openai/responses/{MODEL}", messages=messages, tools=[function])
            answer = completion.choices[0].message
            messages.append(answer.model_dump(exclude_none=True))
            if not answer.tool_calls:
                break
            messages += [
                {"role": "tool", "tool_call_id": call.id, "content": f"got {call.function.arguments}"}
                for call in answer.tool_calls
            ]
        texts.append(answer.content)
    return {"texts": texts}


def structured():
    completion = litellm.completion(
        model=f"openai/responses/{MODEL}", messages=[{"role": "user", "content": "plan a trip"}], response_format=Trip
    )
    return Trip.model_validate_json(completion.choices[0].message.content).model_dump()


def streamed():
    chunks = litellm.completion(
        model=f"openai/responses/{MODEL}", messages=[{"role": "user", "content": "say hello"}], stream=True
    )
    return {"text": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)}


scenarios(chain, completions, structured, streamed)
