"""A plain client for machines without OpenCode: it sends a prompt, runs the tools that the model calls, and repeats.

Its requests are like OpenCode's, to the same URL and through the same proxy. Its only tool writes a file.
"""

import json
import ssl
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HOST = "api.openai.com"
MAX_REQUESTS = 5

SESSION = "ses_demo"
HEADERS = {"Authorization": "Bearer dummy", "Content-Type": "application/json", "session-id": SESSION}
SETTINGS = {
    "stream": True,
    "store": False,
    "max_output_tokens": 32_000,
    "include": ["reasoning.encrypted_content"],
    "reasoning": {"effort": "medium", "summary": "auto"},
    "prompt_cache_key": SESSION,
}
WRITE = {
    "type": "function",
    "name": "write",
    "description": "Writes a file",
    "parameters": {
        "type": "object",
        "properties": {"filePath": {"type": "string"}, "content": {"type": "string"}},
        "required": ["filePath", "content"],
    },
    "strict": False,
}


def converse(proxy: str, ca: Path, project: Path, model: str, prompt: str) -> bool:
    """Send a prompt and print the response as it arrives; return whether it was complete.

    `proxy` is a URL, `ca` a file, and `project` the folder that files are written to.
    """
    history: list[dict[str, Any]] = [
        {"role": "developer", "content": f"You work in a folder of files.\nWorking directory: {project}"},
        {"role": "user", "content": [{"type": "input_text", "text": prompt}]},
    ]
    for _ in range(MAX_REQUESTS):
        items = _request(proxy, ca, {"model": model, "input": history, "tools": [WRITE]})
        if items is None:
            return False
        calls = [item for item in items if item["type"] == "function_call"]
        if not calls:
            return True
        history += items
        for call in calls:
            output = _write(project, **json.loads(call["arguments"]))
            print(f"[{call['name']}] {output}", flush=True)
            history.append({"type": "function_call_output", "call_id": call["call_id"], "output": output})
    return False


def _request(proxy: str, ca: Path, body: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Send a request, print the streamed text and return the output items; None if the response is not complete."""
    address = urlsplit(proxy)
    connection = HTTPSConnection(
        str(address.hostname), address.port, timeout=60, context=ssl.create_default_context(cafile=str(ca))
    )
    connection.set_tunnel(HOST, 443)
    try:
        connection.request("POST", "/v1/responses", json.dumps(body | SETTINGS), HEADERS)
        response = connection.getresponse()
        if response.status != 200:
            print(f"HTTP {response.status}: {response.read().decode(errors='replace')}")
            return None
        for event in _events(response):
            if event["type"] == "response.output_text.delta":
                print(event["delta"], end="", flush=True)
            elif event["type"] == "response.output_text.done":
                print(flush=True)
            elif event["type"] == "response.completed":
                return list(event["response"]["output"])
    except (OSError, ValueError) as error:
        print(f"The request failed: {error}")
    finally:
        connection.close()
    return None


def _events(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def _write(project: Path, filePath: str, content: str) -> str:  # noqa: N803 - the tool's arguments
    path = (project / filePath).resolve()
    if not path.is_relative_to(project):
        return f"Error: {path} is outside the project"
    path.write_text(content)
    return f"Wrote {path.name}"
