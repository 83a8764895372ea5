"""Microsoft's agent-framework."""

from agent_framework import Agent
from agent_framework.openai import OpenAIChatClient
from pydantic import BaseModel
from results import MODEL, SYSTEM, scenarios


class Trip(BaseModel):
    city: str
    days: int


def add(a: int) -> str:
    """Add something."""
    return f"got {a}"


def agent():
    return Agent(client=OpenAIChatClient(model=MODEL), instructions=SYSTEM, tools=[add])


async def session():
    one = agent()
    session = one.create_session()
    prompts = ["turn 0", 'use add with {"a": 1} and also use add with {"a": 2}', "turn 2", "turn 3"]
    return {"texts": [(await one.run(prompt, session=session)).text for prompt in prompts]}


async def streamed():
    return {"text": "".join([update.text or "" async for update in agent().run("say hello", stream=True)])}


async def structured():
    return (await agent().run("plan a trip", options={"response_format": Trip})).value.model_dump()


scenarios(session, streamed, structured)
