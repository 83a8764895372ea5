"""LlamaIndex."""

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAIResponses
from pydantic import BaseModel
from results import MODEL, SYSTEM, scenarios


class Trip(BaseModel):
    city: str
    days: int


def add(a: int) -> str:
    """Add something."""
    return f"got {a}"


def model(**options):
    return OpenAIResponses(model=MODEL, instructions=SYSTEM, max_retries=0, **options)


def history():
    one, messages, texts = model(), [], []
    for turn in range(3):
        messages.append(ChatMessage(role="user", content=f"turn {turn}"))
        answer = one.chat(messages).message
        messages.append(answer)
        texts.append(answer.content)
    return {"texts": texts}


def chain():
    one = model(track_previous_responses=True)
    turns = [[ChatMessage(role="user", content=f"turn {turn}")] for turn in range(5)]
    return {"texts": [one.chat(messages).message.content for messages in turns]}


def tools():
    done = model().predict_and_call([FunctionTool.from_defaults(add)], 'use add with {"a": 1}')
    return {"text": done.response}


def structured():
    return model().as_structured_llm(Trip).chat([ChatMessage(role="user", content="plan a trip")]).raw.model_dump()


def streamed():
    chunks = model().stream_chat([ChatMessage(role="user", content="say hello")])
    return {"text": "".join(chunk.delta or "" for chunk in chunks)}


scenarios(history, chain, tools, structured, streamed)
