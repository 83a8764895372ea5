"""How a client that uses another API of OpenAI's is told to use the Responses API."""

import re

_ADVICE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"litellm|aider", re.IGNORECASE), "name the model `openai/responses/MODEL` (aider and LiteLLM)"),
    (re.compile(r"langchain", re.IGNORECASE), "set `use_responses_api=True` on ChatOpenAI (LangChain)"),
    (re.compile(r"ai-sdk|\bai/", re.IGNORECASE), "use `openai.responses(MODEL)` (AI SDK)"),
    (re.compile(r"llama", re.IGNORECASE), "use `OpenAIResponses` (LlamaIndex)"),
    (
        re.compile(r"openai/", re.IGNORECASE),
        "call `client.responses.create`, or set `use_responses_api=True` (LangChain), or name the model"
        " `openai/responses/MODEL` (aider and LiteLLM)",
    ),
)
_OTHERS = "look in its settings for the Responses API"


def responses_api_advice(user_agent: str) -> str:
    """Return what the user of a program is to do, as the end of a sentence; `user_agent` is the header's value."""
    return next((advice for pattern, advice in _ADVICE if pattern.search(user_agent)), _OTHERS)
