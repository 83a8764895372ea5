"""What the tests of the request steps share."""

from collections.abc import Callable
from typing import Any

import pytest

from codex_transform.clients.client import OPENCODE, Client
from codex_transform.jsonio import dumps
from codex_transform.opencode.config import ModelOptions
from codex_transform.request import Context, Transformed, transform
from codex_transform.request.client_request import read_request, write_request

INSTRUCTIONS = "Codex instructions for the tests."


@pytest.fixture
def instructions() -> str:
    return INSTRUCTIONS


@pytest.fixture
def context() -> Callable[..., Context]:
    """Makes a context; options may be given as the members of ModelOptions."""

    def make(
        options: dict[str, Any] | None = None, mode: bool = True, client: Client = OPENCODE, **more: Any
    ) -> Context:
        found = ModelOptions(**(options or {}))
        return Context(client, mode=mode, options_for=lambda _: found, instructions=lambda _, __: INSTRUCTIONS, **more)

    return make


@pytest.fixture
def run(context: Callable[..., Context]) -> Callable[..., Transformed]:
    """Transforms a body given as keywords, through real bytes; `model` and `input` have defaults."""

    def go(context_: Context | None = None, /, **fields: Any) -> Transformed:
        body = {"model": "gpt-5.2", "input": "hello", **fields}
        done = transform(read_request(dumps(body)).body, context_ or context())
        written = write_request(done.body)
        again = transform(read_request(written).body, context_ or context())
        assert write_request(again.body) == written, "transforming twice changed the body"
        return done

    return go
