"""Tell who is asking by what the request says.

Strategy: a table, of which the first row that fits decides. Header fields come first, because that is where programs
name themselves; how the system prompt begins comes second, for a client whose fields another proxy has replaced. A
program that names itself is believed: one that begins its prompt like OpenCode and is called something else is not
OpenCode. The originator `opencode` says nothing, because the addon itself sends it for clients that name none.

Header values as on the wire with OpenCode 1.1.65, 1.3.2 and 1.18.33, the preview of OpenCode 2, and the Codex CLI 0.111
to 0.171 (`codex_cli_rs`, `codex_exec`, `codex_vscode`, `codex-tui`, `Codex Desktop`).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from codex_transform.clients.client import CODEX_CLI, OPENCODE, OPENCODE_2, OTHER, Client

_BY_FIELD: tuple[tuple[str, re.Pattern[str], Client], ...] = (
    ("user-agent", re.compile(r"opencode/2\.|lildax/|opencode2/"), OPENCODE_2),
    ("user-agent", re.compile(r"opencode/"), OPENCODE),
    ("originator", re.compile(r"codex[_ -]"), CODEX_CLI),
    ("user-agent", re.compile(r"codex[_ -][\w ]*/"), CODEX_CLI),
)
_BY_PROMPT = (OPENCODE, CODEX_CLI)

# Libraries, and programs that do not say what they are: their prompt may still tell.
_SAYS_LITTLE = re.compile(
    r"(?:openai|ai(?:-sdk)?|async(?:openai)?|node|bun|deno|python|axios|undici|got|go-http-client|curl|litellm|reqwest)\b"
)

_MAX_OPENING = 200
"""Characters of a prompt that are looked at."""


def identify(fields: Iterable[tuple[bytes, bytes]], body: Mapping[str, Any]) -> Client:
    """Return the client whose request has these header fields and this body; `OTHER` if it is none that is known.

    Raises nothing: a body of any shape will do.
    """
    values = {name.lower().decode("latin-1"): value.decode("latin-1").strip().lower() for name, value in fields}
    for name, pattern, client in _BY_FIELD:
        if pattern.match(values.get(name, "")):
            return client
    agent = values.get("user-agent", "")
    if agent and not _SAYS_LITTLE.match(agent):
        return OTHER
    prompt = _opening(body).lstrip().lower()
    return next((client for client in _BY_PROMPT if prompt.startswith(client.prompts)), OTHER)


def _opening(body: Mapping[str, Any]) -> str:
    """Return how the system prompt begins: the instructions, or the first message if it is the client's."""
    instructions = body.get("instructions")
    if isinstance(instructions, str) and instructions.strip():
        return instructions[:_MAX_OPENING]
    items = body.get("input")
    first = items[0] if isinstance(items, list) and items else None
    if not isinstance(first, Mapping) or first.get("role") not in ("developer", "system"):
        return ""
    content = first.get("content")
    if isinstance(content, list):
        content = content[0].get("text") if content and isinstance(content[0], dict) else None
    return content[:_MAX_OPENING] if isinstance(content, str) else ""
