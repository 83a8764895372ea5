"""Pydantic AI."""

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIResponsesModel
from results import MODEL, SYSTEM, scenarios


class Trip(BaseModel):
    city: str
    days: int


def add(a: int) -> str:
    """Add something."""
    return f"got {a}"


def agent(**options):
    return Agent(OpenAIResponsesModel(MODEL), instructions=SYSTEM, tools=[add], **options)


def history(settings=None):
    one, texts, messages = agent(), [], None
    for prompt in ["turn 0", 'use add with {"a": 1}', "turn 2", "turn 3"]:
        done = one.run_sync(prompt, message_history=messages, model_settings=settings)
        texts.append(done.output)
        messages = done.all_messages()
    return {"texts": texts}


def chain():
    return history({"openai_previous_response_id": "auto"})


def structured():
    return {
        "tool": agent(output_type=Trip).run_sync("use final_result").output.model_dump(),
        "native": agent(output_type=NativeOutput(Trip)).run_sync("plan a trip").output.model_dump(),
    }


async def streamed():
    async with agent().run_stream("say hello") as run:
        return {"text": await run.get_output()}


scenarios(history, chain, structured, streamed)
