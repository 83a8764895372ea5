"""agno."""

from agno.agent import Agent
from agno.db.in_memory import InMemoryDb
from agno.models.openai import OpenAIResponses
from pydantic import BaseModel
from results import MODEL, SYSTEM, scenarios


class Trip(BaseModel):
    city: str
    days: int


def add(a: int) -> str:
    """Add something."""
    return f"got {a}"


def agent(**options):
    return Agent(model=OpenAIResponses(id=MODEL, max_retries=0), instructions=SYSTEM, telemetry=False, **options)


def session():
    one = agent(tools=[add], db=InMemoryDb(), add_history_to_context=True, session_id="s")
    prompts = ["turn 0", 'use add with {"a": 1}', "turn 2", "turn 3"]
    return {"texts": [one.run(prompt).content for prompt in prompts]}


def streamed():
    return {"text": "".join(event.content or "" for event in agent().run("say hello", stream=True))}


def structured():
    return agent(output_schema=Trip).run("plan a trip").content.model_dump()


scenarios(session, streamed, structured)
