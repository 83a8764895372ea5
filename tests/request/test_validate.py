from collections.abc import Callable
from typing import Any

import pytest

from codex_transform.errors import ApiError
from codex_transform.jsonio import dumps
from codex_transform.request import Context, transform
from codex_transform.request.client_request import read_request

BAD: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "model"),
    ({"model": ""}, "model"),
    ({"model": " \n"}, "model"),
    ({"model": 5}, "model"),
    ({"model": ["gpt-5.2"]}, "model"),
    ({"input": None}, "input"),
    ({"input": 5}, "input"),
    ({"input": {"role": "user"}}, "input"),
    ({"input": ["hello"]}, "input[0]"),
    ({"input": [{"role": "user", "content": "a"}, None]}, "input[1]"),
    ({"input": [{"role": "user", "content": "a"}, [{}]]}, "input[1]"),
    ({"input": [{}]}, "input[0]"),
    ({"input": [{"content": "no role"}]}, "input[0]"),
    ({"input": [{"id": "msg_1", "content": "no role"}]}, "input[0]"),
    ({"input": [{"type": 5}]}, "input[0].type"),
    ({"input": [{"type": ["message"]}]}, "input[0].type"),
    ({"input": [{"type": "message", "content": "a"}]}, "input[0].role"),
    ({"input": [{"role": {}, "content": "a"}]}, "input[0].role"),
    ({"input": [{"role": "user"}]}, "input[0].content"),
    ({"input": [{"role": "user", "content": 7}]}, "input[0].content"),
    ({"input": [{"role": "user", "content": ["a"]}]}, "input[0].content[0]"),
    (
        {"input": [{"type": "item_reference", "id": "x"}, {"type": "function_call", "call_id": 1}]},
        "input[1].call_id",
    ),
    ({"input": [{"type": "function_call_output", "call_id": ["c"], "output": ""}]}, "input[0].call_id"),
    ({"instructions": 5}, "instructions"),
    ({"instructions": [{"role": "user", "content": "a"}]}, "instructions"),
    ({"stream": "yes"}, "stream"),
    ({"stream": 1}, "stream"),
    ({"include": "reasoning.encrypted_content"}, "include"),
    ({"include": [1]}, "include[0]"),
    ({"include": ["a", None]}, "include[1]"),
    ({"tools": {}}, "tools"),
    ({"tools": [{}, "bash"]}, "tools[1]"),
    ({"reasoning": "high"}, "reasoning"),
    ({"reasoning": {"effort": 3}}, "reasoning.effort"),
    ({"reasoning": {"effort": "extreme"}}, "reasoning.effort"),
    ({"reasoning": {"summary": True}}, "reasoning.summary"),
    ({"reasoning": {"summary": "long"}}, "reasoning.summary"),
    ({"text": "low"}, "text"),
    ({"text": {"verbosity": 1}}, "text.verbosity"),
    ({"prompt_cache_key": 1}, "prompt_cache_key"),
]


@pytest.mark.parametrize(("fields", "param"), BAD)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str, context: Callable[..., Context]) -> None:
    body = {"model": "gpt-5.2", "input": "hello", **fields}
    with pytest.raises(ApiError) as caught:
        transform(read_request(dumps(body)).body, context())
    assert (caught.value.status, caught.value.type) == (400, "invalid_request_error")
    assert caught.value.param == param
    assert f"`{param}`" in caught.value.message or param in ("model", "input")
    assert param.partition("[")[0].partition(".")[0] in caught.value.message


@pytest.mark.parametrize("field", ["model", "input"])
def test_a_missing_field_is_named(field: str, context: Callable[..., Context]) -> None:
    body = {"model": "gpt-5.2", "input": "hello"}
    del body[field]
    with pytest.raises(ApiError, match=f"`{field}` is missing") as caught:
        transform(body, context())
    assert caught.value.param == field


def test_null_counts_as_absent(run: Callable[..., Any]) -> None:
    optional = ("instructions", "stream", "include", "tools", "reasoning", "text", "prompt_cache_key")
    assert run(**dict.fromkeys(optional)).body == run().body
    assert run(reasoning={"effort": None, "summary": None}, text={"verbosity": None}).body == run().body


def test_unknown_fields_pass_through(run: Callable[..., Any]) -> None:
    odd = {"client_metadata": {"a": [1, None]}, "tool_choice": "auto", "parallel_tool_calls": False, "x": None}
    body = run(**odd).body
    assert {name: body[name] for name in odd} == odd
