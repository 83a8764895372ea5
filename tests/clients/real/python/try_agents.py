"""OpenAI's Agents SDK."""

from agents import (
    Agent,
    ModelSettings,
    Runner,
    SQLiteSession,
    function_tool,
    responses_websocket_session,
    set_tracing_disabled,
)
from pydantic import BaseModel
from results import MODEL, SYSTEM, scenarios

set_tracing_disabled(True)


class Trip(BaseModel):
    city: str
    days: int


@function_tool
def add(a: int) -> str:
    """Add something."""
    return f"got {a}"


async def handoff():
    helper = Agent(name="helper", instructions="You help parrots.", model=MODEL)
    first = Agent(name="first", instructions=SYSTEM, model=MODEL, handoffs=[helper])
    done = await Runner.run(first, "use transfer_to_helper")
    return {"text": done.final_output, "agent": done.last_agent.name}


async def session():
    agent = Agent(name="one", instructions=SYSTEM, model=MODEL, tools=[add])
    memory = SQLiteSession("s")
    prompts = ["turn 0", 'use add with {"a": 1}', "turn 2"]
    return {"texts": [(await Runner.run(agent, prompt, session=memory)).final_output for prompt in prompts]}


async def chain():
    agent = Agent(name="one", instructions=SYSTEM, model=MODEL, tools=[add])
    texts, previous = [], None
    for prompt in ["turn 0", 'use add with {"a": 1} then use add with {"a": 2}', "turn 2"]:
        done = await Runner.run(agent, prompt, previous_response_id=previous, auto_previous_response_id=True)
        texts.append(done.final_output)
        previous = done.last_response_id
    return {"texts": texts}


async def websocket():
    agent = Agent(name="one", instructions=SYSTEM, model=MODEL, tools=[add])
    texts, previous = [], None
    async with responses_websocket_session() as socket:
        for prompt in ["turn 0", 'use add with {"a": 1}', "turn 2"]:
            done = await socket.run(agent, prompt, previous_response_id=previous, auto_previous_response_id=True)
            texts.append(done.final_output)
            previous = done.last_response_id
    return {"texts": texts}


async def streamed():
    """Requests that an endpoint accepts unchanged: the same with and without a proxy."""
    settings = ModelSettings(
        store=False,
        response_include=["reasoning.encrypted_content"],
        extra_headers={"originator": "try_agents", "accept": "text/event-stream"},
    )
    agent = Agent(name="one", instructions=SYSTEM, model=MODEL, tools=[add], model_settings=settings)
    part = {"type": "input_text", "text": 'use add with {"a": 1}'}
    run = Runner.run_streamed(agent, [{"type": "message", "role": "user", "content": [part]}])
    async for _ in run.stream_events():
        pass
    return {"text": run.final_output}


async def structured():
    agent = Agent(name="one", instructions=SYSTEM, model=MODEL, output_type=Trip)
    return (await Runner.run(agent, "plan a trip")).final_output.model_dump()


scenarios(handoff, session, chain, websocket, streamed, structured)
