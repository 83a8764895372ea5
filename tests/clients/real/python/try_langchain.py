"""LangChain."""

from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from results import MODEL, SYSTEM, scenarios


class Trip(BaseModel):
    city: str
    days: int


@tool
def add(a: int) -> str:
    """Add something."""
    return f"got {a}"


def chat(**options):
    return ChatOpenAI(model=MODEL, use_responses_api=True, max_retries=0, **options)


def converse(model):
    messages, texts = [SystemMessage(SYSTEM)], []
    for prompt in ["turn 0", 'use add with {"a": 1}', "turn 2", "turn 3"]:
        messages.append(HumanMessage(prompt))
        answer = model.invoke(messages)
        while answer.tool_calls:
            messages.append(answer)
            messages += [ToolMessage(add.invoke(call["args"]), tool_call_id=call["id"]) for call in answer.tool_calls]
            answer = model.invoke(messages)
        messages.append(answer)
        texts.append(answer.text)
    return {"texts": texts}


def history():
    return converse(chat().bind_tools([add]))


def chain():
    return converse(chat(use_previous_response_id=True).bind_tools([add]))


def structured():
    return chat().with_structured_output(Trip, method="json_schema").invoke("plan a trip").model_dump()


def streamed():
    return {"text": "".join(chunk.text for chunk in chat().stream("say hello"))}


scenarios(history, chain, structured, streamed)
