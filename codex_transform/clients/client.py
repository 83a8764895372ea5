"""What is known of a client, and what its requests get."""

from typing import Literal, NamedTuple


class Client(NamedTuple):
    """A client, or a family of clients.

    `name` is for people. `is_codex` is true for those whose requests are Codex requests already: they go as they came.
    `program` is what the bridge message calls the program that runs the tools, None if it is to name none.
    `instructions` says whose instructions are sent as such: Codex's own for the model, or the client's.
    `configured` is true if OpenCode's configuration and the catalogue's defaults count for its requests. `prompts` is
    how the client's own system prompt begins, in lower case.
    """

    name: str
    is_codex: bool = False
    program: str | None = None
    instructions: Literal["codex", "client"] = "client"
    configured: bool = False
    prompts: tuple[str, ...] = ()


_PROMPTS = (
    "you are opencode,",
    "you are a coding agent running in the opencode",
    "you are a coding agent running in opencode",
    "you are an ai agent powered by opencode",
)

OPENCODE = Client("OpenCode", program="OpenCode", instructions="codex", configured=True, prompts=_PROMPTS)
# The preview of OpenCode 2 begins so. Any agent may: it says nothing of who asks, and counts once that is known.
OPENCODE_2 = OPENCODE._replace(name="OpenCode 2", prompts=(*_PROMPTS, "you are an ai coding agent."))
CODEX_CLI = Client(
    "Codex CLI", is_codex=True, prompts=("you are codex", "you are a coding agent running in the codex cli")
)
OTHER = Client("other")
"""Any other program: it is told nothing about programs, and keeps its own instructions."""

CLIENTS = {client.name: client for client in (OPENCODE, OPENCODE_2, CODEX_CLI, OTHER)}
"""All of them, by name."""
