"""Requests that a Codex endpoint refuses are refused with its messages; what the Codex CLI sends is accepted."""

import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json
from sandbox.client import Client

from codex_transform import catalog
from codex_transform.sandbox import Sandbox, running
from codex_transform.sandbox.validation import UNSUPPORTED, RefusedError, check, parse

TEXT = [{"type": "input_text", "text": "hi"}]
USER = {"type": "message", "role": "user", "content": TEXT}
CALL = {"type": "function_call", "call_id": "c1", "name": "bash", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "done"}
CUSTOM = {"type": "custom_tool_call", "call_id": "c2", "name": "apply_patch", "input": "x"}
CUSTOM_OUTPUT = {"type": "custom_tool_call_output", "call_id": "c2", "output": "done"}
SHELL = {"type": "local_shell_call", "call_id": "c3", "status": "completed", "action": {"type": "exec"}}
SHELL_OUTPUT = {"type": "local_shell_call_output", "call_id": "c3", "output": "done"}
TOOLS: dict[str, Any] = {"type": "additional_tools", "role": "developer", "tools": []}

REFUSED = [
    ({"store": ...}, "Store must be set to false"),
    ({"store": True}, "Store must be set to false"),
    ({"stream": ...}, "Stream must be set to true"),
    ({"stream": False}, "Stream must be set to true"),
    ({"instructions": ...}, "Instructions are required"),
    ({"instructions": " "}, "Instructions are required"),
    ({"instructions": ["x"]}, "Instructions are required"),
    *(({name: None}, f"Unsupported parameter: {name}") for name in UNSUPPORTED),
    ({"service_tier": "priority"}, "Unsupported parameter: service_tier"),
    ({"model": "gpt-4"}, "The 'gpt-4' model is not supported when using Codex with a ChatGPT account."),
    ({"model": "gpt-5"}, "The 'gpt-5' model is not supported when using Codex with a ChatGPT account."),
    ({"model": ...}, "The 'None' model is not supported when using Codex with a ChatGPT account."),
    (
        {"reasoning": {"effort": "minimal"}},
        "Unsupported value: 'minimal' is not supported with the 'gpt-5.2-codex' model. "
        "Supported values are: 'low', 'medium', 'high', 'xhigh'.",
    ),
    (
        {"text": {"verbosity": "low"}},
        "Unsupported parameter: text.verbosity is not supported with the 'gpt-5.2-codex' model.",
    ),
    (
        {"model": "gpt-5.2", "text": {"verbosity": "loud"}},
        "Unsupported value: 'loud' is not supported with the 'gpt-5.2' model. "
        "Supported values are: 'low', 'medium', 'high'.",
    ),
    ({"reasoning": "high"}, "Invalid type for 'reasoning'"),
    ({"include": "reasoning.encrypted_content"}, "Invalid type for 'include'"),
    ({"tools": {}}, "Invalid type for 'tools'"),
    ({"tools": ["bash"]}, "Missing required parameter: 'tools[0].type'"),
    ({"tools": [{"type": "function"}]}, "Missing required parameter: 'tools[0].name'"),
    (
        {"tools": [{"type": "function", "name": "f", "parameters": "x"}]},
        "Invalid type for 'tools[0].parameters': expected an object",
    ),
    (
        {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "custom"}]}]},
        "Missing required parameter: 'tools[0].tools[0].name'",
    ),
    ({"tools": [{"type": "namespace", "name": "n"}]}, "Missing required parameter: 'tools[0].tools'"),
    ({"text": {"format": {"type": "xml"}}}, "Invalid value: 'xml' for 'text.format.type'"),
    ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "Missing required parameter: 'text.format.name'"),
    ({"input": "hello"}, "Input must be a list"),
    ({"input": []}, "Input must not be empty"),
    ({"input": ["hello"]}, "Invalid type for 'input[0]': expected an object"),
    ({"input": [{"role": "user", "content": TEXT}]}, "Missing required parameter: 'input[0].type'"),
    ({"input": [{**USER, "role": "system"}]}, "System messages are not allowed"),
    ({"input": [{**USER, "role": "tool"}]}, "Invalid value: 'tool' for 'input[0].role'"),
    ({"input": [{**USER, "content": "hi"}]}, "Invalid type for 'input[0].content': expected a list of parts"),
    (
        {"input": [USER, {**USER, "content": [{"type": "text", "text": "hi"}]}]},
        "Invalid value: 'text' for a part of 'input[1].content'",
    ),
    (
        {"input": [{**USER, "content": [{"type": "output_text", "text": "hi"}]}]},
        "Invalid value: 'output_text' for a part of 'input[0].content'",
    ),
    ({"input": [{**USER, "content": ["hi"]}]}, "Invalid value: None for a part of 'input[0].content'"),
    (
        {"input": [{**USER, "content": [{"type": "input_text"}]}]},
        "Missing required parameter: 'input[0].content.text'",
    ),
    (
        {"input": [USER, {"type": "item_reference", "id": "rs_1"}]},
        "Item with id 'rs_1' not found. Items are not persisted when store is false.",
    ),
    ({"input": [USER, {"type": "reasoning"}]}, "Missing required parameter: 'input[1].summary'"),
    ({"input": [USER, {**CALL, "call_id": None}]}, "Missing required parameter: 'input[1].call_id'"),
    ({"input": [USER, {**CALL, "arguments": {}}]}, "Missing required parameter: 'input[1].arguments'"),
    ({"input": [USER, {**CUSTOM, "input": None}]}, "Missing required parameter: 'input[1].input'"),
    ({"input": [USER, CALL, {**OUTPUT, "output": 1}]}, "Missing required parameter: 'input[2].output'"),
    ({"input": [USER, OUTPUT]}, "No tool call found for function call output with call_id c1."),
    ({"input": [USER, OUTPUT, CALL]}, "No tool call found for function call output with call_id c1."),
    ({"input": [USER, CUSTOM_OUTPUT]}, "No tool call found for custom tool call output with call_id c2."),
    ({"input": [USER, SHELL_OUTPUT]}, "No tool call found for local shell call output with call_id c3."),
    (
        {"input": [USER, CUSTOM, SHELL_OUTPUT | {"call_id": "c2"}]},
        "No tool call found for local shell call output with call_id c2.",
    ),
    ({"input": [USER, CALL, OUTPUT, OUTPUT]}, "No tool call found for function call output with call_id c1."),
    ({"input": [USER, CALL]}, "No tool output found for function call c1."),
    ({"input": [USER, {**CALL, "namespace": 1}]}, "Invalid type for 'input[1].namespace': expected a string"),
    ({"input": [{"type": "additional_tools", "tools": []}, USER]}, "Missing required parameter: 'input[0].tools'"),
    ({"input": [{**TOOLS, "tools": [{}]}, USER]}, "Missing required parameter: 'input[0].tools[0].type'"),
    ({"input": [USER, TOOLS]}, "Invalid value: 'additional_tools' must not be at 'input[1]'"),
    (
        {"input": [{"type": "compaction_trigger"}, USER]},
        "Invalid value: 'compaction_trigger' must not be at 'input[0]'",
    ),
    ({"input": [USER, {"type": "compaction"}]}, "Missing required parameter: 'input[1].encrypted_content'"),
]

ACCEPTED = [
    {"include": ["reasoning.encrypted_content"], "reasoning": {"effort": "high", "summary": "auto"}},
    {"prompt_cache_key": "ses_1", "parallel_tool_calls": True, "tool_choice": "auto", "client_metadata": {"a": "b"}},
    {"model": "gpt-5.2", "text": {"verbosity": "low"}},
    {"input": [{**USER, "id": "msg_1"}, {**USER, "role": "developer"}]},
    {"input": [USER, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}]},
    {"input": [{**USER, "content": [*TEXT, {"type": "input_image", "image_url": "data:image/png;base64,AA=="}]}]},
    {"input": [USER, {"type": "reasoning", "summary": [], "encrypted_content": "x"}]},
    {"input": [USER, CALL, OUTPUT, CUSTOM, CUSTOM_OUTPUT, SHELL, SHELL_OUTPUT, USER]},
    {"input": [USER, CALL, CUSTOM, {**OUTPUT, "output": TEXT}, CUSTOM_OUTPUT]},
    {"input": [USER, SHELL, {**OUTPUT, "call_id": "c3"}]},
    {"input": [USER, {"type": "compaction", "encrypted_content": "x"}]},
    {"input": [TOOLS, USER, {"type": "compaction_trigger"}]},
    {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}},
    {"tools": [{"type": "function", "name": "f", "parameters": []}]},
    {"tools": [{"type": "web_search"}, {"type": "custom", "name": "apply_patch", "format": {"type": "text"}}]},
]


@pytest.mark.parametrize(("fields", "detail"), REFUSED)
def test_requests_that_a_codex_endpoint_refuses_are_refused(
    client: Client, fields: dict[str, Any], detail: str
) -> None:
    answer = client.post(client.body(**fields))
    assert (answer.status, answer.json) == (400, {"detail": detail})
    assert answer.headers["x-codex-sandbox"] == "1"


@pytest.mark.parametrize("fields", ACCEPTED)
def test_requests_of_the_codex_cli_are_accepted(client: Client, fields: dict[str, Any]) -> None:
    answer = client.post(client.body(**fields))
    assert answer.status == 200, answer.body
    assert answer.types[-1] == "response.completed"


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({"content_type": ""}, "Unsupported content type: send application/json"),
        ({"content_type": "text/plain"}, "Unsupported content type: send application/json"),
        ({"accept": ""}, "Missing header: accept: text/event-stream"),
        ({"accept": "*/*"}, "Missing header: accept: text/event-stream"),
        ({"originator": ""}, "Missing header: originator"),
        ({"session_id": "a", "x_session_id": "b"}, None),
    ],
)
def test_requests_without_the_headers_of_a_codex_client_are_refused(
    client: Client, headers: dict[str, str], detail: str | None
) -> None:
    answer = client.post(client.body(), **headers)
    if detail is None:
        assert answer.status == 200
    else:
        assert (answer.status, answer.json) == (400, {"detail": detail})


def test_contradicting_session_headers_are_refused(client: Client) -> None:
    headers = {**client.headers(), "session_id": "a", "session-id": "b"}
    with pytest.raises(RefusedError, match="session_id and session-id differ"):
        check(headers, client.body(), {model.slug: model for model in catalog.models()})
    check(headers | {"session-id": "a"}, client.body(), {model.slug: model for model in catalog.models()})


def test_a_wrong_or_missing_key_is_refused_and_never_repeated(client: Client, sandbox: Sandbox) -> None:
    wrong = client.post(client.body(), authorization="Bearer sk-this-is-the-wrong-one")
    assert wrong.status == 401
    assert wrong.json["error"]["code"] == "invalid_api_key"
    assert b"this-is-the-wrong" not in wrong.raw
    assert client.post(client.body(), authorization="").status == 401
    assert client.post(client.body(), authorization=sandbox.key).status == 401
    # The key is checked before the body.
    assert client.post(b"{", authorization="Bearer x").status == 401
    assert {request["status"] for request in sandbox.requests} == {401}


def test_each_model_of_the_catalogue_is_accepted_with_exactly_its_efforts(client: Client) -> None:
    models = [model for model in catalog.models() if model.slug not in catalog.aliases()]
    assert models
    for model in models:
        for effort in catalog.EFFORTS:
            status = client.post(client.body(model=model.slug, reasoning={"effort": effort})).status
            assert status == (200 if effort in model.efforts else 400), (model.slug, effort)


def test_the_accepted_models_can_be_chosen() -> None:
    with running(Sandbox(models=["my-model", "gpt-5.2-codex"])) as sandbox:
        client = Client(sandbox)
        assert client.post(client.body(model="my-model", reasoning={"effort": "ultra"})).status == 200
        assert client.post(client.body(model="gpt-5.2-codex", reasoning={"effort": "ultra"})).status == 400
        assert client.post(client.body(model="gpt-5.2")).status == 400


@pytest.mark.parametrize("half", [rb"\ud83d", rb"\uDE00"])
def test_a_lone_surrogate_is_accepted_and_returned(client: Client, half: bytes) -> None:
    text = json.loads(b'"%b"' % half)
    answer = client.post(to_json(client.body("hello HALF")).replace(b"HALF", half))
    assert answer.complete
    assert f"hello {text}" in answer.text
    assert client.get("/sandbox/requests").json[0]["body"]["input"] == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": f"hello {text}"}]}
    ]
    tool = {"type": "function", "name": "bash", "parameters": {"properties": {"command": {"type": "string"}}}}
    body = to_json(client.body("run echo HALF", tools=[tool])).replace(b"HALF", half)
    assert json.loads(client.post(body).items[0]["arguments"]) == {"command": f"echo {text}"}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'"text"', b"\xff", b'{"input": NaN}', b'{"a":' * 100_000, rb'{"a": "\ud83d", "b": NaN}'],
)
def test_a_body_that_is_no_json_object_is_refused(client: Client, content: bytes) -> None:
    answer = client.post(content)
    assert answer.status == 400
    assert "JSON" in answer.json["detail"]


def test_gzip_is_the_only_accepted_content_coding(client: Client, sandbox: Sandbox) -> None:
    content = gzip.compress(b'{"model": "none"}')
    assert client.post(content, content_encoding="gzip").json["detail"] == "Store must be set to false"
    assert sandbox.requests[-1]["body"] == {"model": "none"}
    assert client.post(content[:-9], content_encoding="gzip").status == 400
    assert client.post(content, content_encoding="zstd").status == 415


@pytest.mark.parametrize("path", ["/v1/responses", "/backend-api/codex/responses", "/x/y/responses?a=b", "/responses"])
def test_every_path_that_ends_in_responses_is_served(client: Client, path: str) -> None:
    assert client.post(client.body(), path).status == 200


def test_other_paths_and_methods_are_refused(client: Client, sandbox: Sandbox) -> None:
    assert client.post(client.body(), "/v1/chat/completions").status == 404
    assert client.get("/v1/models").status == 404
    assert client.get("/v1/responses").status == 405
    assert [request["path"] for request in sandbox.requests] == ["/v1/chat/completions", "/v1/models", "/v1/responses"]


def test_a_history_is_compacted_into_one_json_document(client: Client) -> None:
    body = client.body("hello", store=..., stream=...)
    answer = client.post(body, "/backend-api/codex/responses/compact", accept="application/json")
    assert answer.status == 200
    assert answer.json["object"] == "response.compaction"
    assert [item["type"] for item in answer.json["output"]] == ["message", "message", "compaction"]
    assert client.post(body | {"model": "x"}, "/v1/responses/compact").status == 400
    # The result can be sent back as input.
    assert client.post(client.body(input=answer.json["output"])).status == 200


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "call_id", "output", "name", "text", "effort", "id"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
typed = st.sampled_from(["message", "function_call", "function_call_output", "reasoning", "user", "developer", "x"])


def refusal(work: Callable[[], None]) -> RefusedError | None:
    try:
        work()
    except RefusedError as error:
        return error
    return None


@given(
    st.dictionaries(
        st.sampled_from(["model", "input", "tools", "reasoning", "text", "include", "prompt_cache_key"]),
        json_values | st.lists(st.dictionaries(st.sampled_from(["type", "role", "content"]), typed | json_values)),
    )
)
def test_any_json_object_is_refused_or_accepted(body: dict[str, Any]) -> None:
    models = {model.slug: model for model in catalog.models()}
    base = {"model": "gpt-5.2", "instructions": "x", "store": False, "stream": True}
    headers = {"content-type": "application/json", "accept": "text/event-stream", "originator": "x"}
    whole = {**base, **body}
    refused = refusal(lambda: check(headers, whole, models))
    if refused:
        assert refused.status == 400
        assert refused.payload["detail"]
    else:
        assert whole["model"] in models
        assert whole["input"]


@given(st.binary(max_size=50) | json_values.map(to_json))
def test_any_bytes_are_an_object_or_refused(content: bytes) -> None:
    with suppress(RefusedError):
        assert isinstance(parse(content), dict)
