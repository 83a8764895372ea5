"""The decision about a failed attempt: each kind of refusal, in the shapes in which endpoints write it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.attempts.edits import apply_all
from codex_transform.attempts.failure import Failure, from_error, from_response
from codex_transform.attempts.next_attempt import MAX_ATTEMPTS, Attempt, Policy, decide, final_error
from codex_transform.attempts.rule import Instructions, Sent
from codex_transform.errors import ApiError
from codex_transform.request.changes import Changes
from codex_transform.request.input_items import message

PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"
SVG = "data:image/svg+xml;base64,PHN2Zy8+"


def reasoning(content: str) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [], "encrypted_content": content}


def image(url: str) -> dict[str, Any]:
    return {"type": "input_image", "image_url": url}


def call(call_id: str, name: str = "bash") -> list[dict[str, Any]]:
    return [
        {"type": "function_call", "name": name, "arguments": "{}", "call_id": call_id},
        {"type": "function_call_output", "call_id": call_id, "output": f"output of {call_id}"},
    ]


def a_body(*items: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"model": "gpt-5.1", "instructions": "be good", "input": [message("user", "hello"), *items], **members}


def refused(status: int, payload: object) -> Failure:
    return from_response(status, {"content-type": "application/json"}, json.dumps(payload).encode(), 0.1)


def openai(message: str, code: str | None = None, param: str | None = None, status: int = 400) -> Failure:
    error = {"message": message, "type": "invalid_request_error", "code": code, "param": param}
    return refused(status, {"error": error})


def healed(failure: Failure, body: dict[str, Any], **sent: Any) -> dict[str, Any] | None:
    """The body of the next attempt, None if there is none."""
    attempt = decide(failure, Sent(body, **sent), [], Policy())
    if attempt is None or attempt.edit is None:
        return None
    changes = Changes()
    changed = json.loads(json.dumps(body))
    assert attempt.edit.apply(changed, changes)
    assert changes.collect()
    again = json.loads(json.dumps(body))
    assert apply_all([attempt.edit], again, Changes()) == [attempt.edit]
    assert again == changed
    assert not attempt.edit.apply(changed, Changes()), "an edit applies once"
    return dict(changed)


@pytest.mark.parametrize(
    "failure",
    [
        openai("The encrypted content gAAA...DQ== could not be verified.", "invalid_encrypted_content"),
        openai("The encrypted content x could not be verified. Reason: it could not be decrypted or parsed."),
        refused(400, {"detail": "invalid_encrypted_content"}),
    ],
)
def test_encrypted_reasoning_is_left_out(failure: Failure) -> None:
    body = a_body(reasoning("one"), *call("c1"), reasoning("two"))
    changed = healed(failure, body)
    assert changed is not None
    assert changed["input"] == [message("user", "hello"), *call("c1")]


def test_without_encrypted_reasoning_there_is_no_other_attempt() -> None:
    assert healed(openai("could not be verified", "invalid_encrypted_content"), a_body()) is None


@pytest.mark.parametrize(
    ("failure", "name"),
    [
        (refused(400, {"detail": "Unsupported parameter: truncate_at"}), "truncate_at"),
        (openai("Unknown parameter: 'client_metadata'.", "unknown_parameter", "client_metadata"), "client_metadata"),
        (openai("Unsupported parameter: 'top_k' is not supported with this model.", "unsupported_parameter"), "top_k"),
        (openai("Unrecognized request argument supplied: top_k"), "top_k"),
        (refused(400, {"error": {"message": 'json: unknown field "include"'}}), "include"),
        (refused(400, {"message": "property 'include' is unsupported"}), "include"),
        (refused(400, {"detail": "The parameter `include` is not supported"}), "include"),
        (refused(400, {"error": {"message": "Additional properties are not allowed ('include' was unexpected)"}}),
         "include"),
        (refused(422, {"detail": [{"loc": ["body", "include"], "msg": "Extra inputs are not permitted"}]}), "include"),
        (refused(400, {"error": "不支持的参数: include"}), "include"),
        (openai("The summary is not available.", "unsupported_value", "reasoning.summary"), "reasoning.summary"),
    ],
)  # fmt: skip
def test_a_parameter_is_left_out(failure: Failure, name: str) -> None:
    body = a_body(**{name.split(".")[0]: {"summary": "auto", "effort": "low"}}, tools=[])
    changed = healed(failure, body)
    assert changed is not None
    if "." in name:
        assert changed["reasoning"] == {"effort": "low"}
    else:
        assert name not in changed
    assert changed["input"] == body["input"]


@pytest.mark.parametrize(
    "words",
    [
        "Your reasoning is not allowed by the usage policy.",
        "The 'gpt-5.1' model is not supported when using Codex with a ChatGPT account.",
        "This text is not supported.",
    ],
)
def test_a_word_in_a_sentence_is_no_parameter(words: str) -> None:
    assert healed(openai(words), a_body(reasoning={"effort": "high"}, text={"verbosity": "low"})) is None


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("You exceeded the request limit per minute.", 429),
        ("Request too large for gpt-5.1 on tokens per min (TPM): Limit 30000, Requested 40000.", 429),
        ("Your plan has exceeded its request limit.", 400),
    ],
)
def test_a_limit_of_requests_is_no_limit_of_size(words: str, status: int) -> None:
    assert final_error(openai(words, status=status), 1000, "main") is None


@pytest.mark.parametrize("name", ["model", "input", "instructions", "stream", "store", "tools"])
def test_what_makes_the_request_stays(name: str) -> None:
    body = a_body(stream=True, store=False, tools=[])
    assert healed(refused(400, {"detail": f"Unsupported parameter: {name}"}), body) is None


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("text.format", {"text": {"format": {"type": "json_schema"}}}),
        ("text", {"text": {"format": {"type": "json_schema"}}}),
        ("tool_choice", {"tool_choice": "required"}),
    ],
)
def test_what_the_client_counts_on_stays(name: str, members: dict[str, Any]) -> None:
    assert healed(openai("No.", "unsupported_parameter", name), a_body(**members)) is None


def test_the_verbosity_and_a_choice_that_is_none_go() -> None:
    verbose = healed(openai("No.", "unsupported_parameter", "text"), a_body(text={"verbosity": "low"}))
    assert verbose is not None
    assert "text" not in verbose
    assert healed(openai("No.", "unsupported_parameter", "tool_choice"), a_body(tool_choice="auto")) is not None


def test_a_member_of_an_image_that_is_not_known_goes_without_the_image() -> None:
    part = {**image(PNG), "detail": "high"}
    path = "input[1].content[0].detail"
    failure = openai(f"Unsupported image parameter: '{path}'.", "unknown_parameter", path)
    changed = healed(failure, a_body({"type": "message", "role": "user", "content": [part]}))
    assert changed is not None
    assert changed["input"][1]["content"] == [image(PNG)]


def test_a_part_of_the_assistants_stays_the_assistants() -> None:
    path = "input[1].content[0].type"
    odd = {"type": "message", "role": "assistant", "content": [{"type": "mystery"}]}
    changed = healed(openai("Invalid value: 'mystery'.", "invalid_value", path), a_body(odd))
    assert changed is not None
    assert changed["input"][1]["content"][0]["type"] == "output_text"


def test_a_model_that_cannot_see() -> None:
    failure = openai("This model does not support image input.")
    assert healed(failure, a_body({"type": "message", "role": "user", "content": [image(PNG)]})) is not None


def test_the_users_effort_is_not_changed() -> None:
    failure = openai("Unsupported value: 'xhigh'", "unsupported_value", "reasoning.effort")
    assert healed(failure, a_body(reasoning={"effort": "xhigh"})) is None


def test_members_and_hosted_tools_of_the_tools() -> None:
    tools = [{"type": "function", "name": "bash", "strict": True}, {"type": "web_search"}]
    strict = openai("Unknown parameter", "unknown_parameter", "tools[0].strict")
    changed = healed(strict, a_body(tools=tools))
    assert changed is not None
    assert changed["tools"] == [{"type": "function", "name": "bash"}, {"type": "web_search"}]
    hosted = openai("Unsupported parameter", "unsupported_parameter", "tools[1].type")
    changed = healed(hosted, a_body(tools=tools))
    assert changed is not None
    assert changed["tools"] == tools[:1]
    assert healed(openai("No.", "unsupported_parameter", "tools[0].type"), a_body(tools=tools)) is None


@pytest.mark.parametrize("path", ["input[1].status", "input.1.status"])
def test_a_member_of_an_item_is_left_out_of_all_of_its_kind(path: str) -> None:
    items = [{**reasoning("one"), "status": "completed"}, {**reasoning("two"), "status": "completed"}]
    changed = healed(openai(f"Unknown parameter: '{path}'.", "unknown_parameter", path), a_body(*items))
    assert changed is not None
    assert changed["input"][1:] == [reasoning("one"), reasoning("two")]


def test_a_member_within_the_parts_of_a_message() -> None:
    body = a_body()
    body["input"][0]["content"][0]["logprobs"] = []
    changed = healed(openai("Unknown parameter: 'input[0].content[0].logprobs'."), body)
    assert changed is not None
    assert changed["input"] == [message("user", "hello")]


def test_a_search_of_a_kind_that_the_endpoint_does_not_know_goes() -> None:
    other = {"type": "web_search_call", "action": {"type": "other"}}
    search = {"type": "web_search_call", "action": {"type": "search", "query": "x"}}
    failure = openai("Invalid value: 'other'.", "invalid_value", "input[1].action.type")
    changed = healed(failure, a_body(other, search, other))
    assert changed is not None
    assert changed["input"] == [message("user", "hello"), search]


def test_items_of_an_unknown_type_go() -> None:
    unknown = {"type": "mood", "value": "fine"}
    failure = openai("Invalid value: 'mood'.", "invalid_value", "input[1]")
    changed = healed(failure, a_body(unknown, *call("c1"), unknown))
    assert changed is not None
    assert changed["input"] == [message("user", "hello"), *call("c1")]


def test_the_output_of_a_call_that_is_refused_stays_as_a_text() -> None:
    failure = openai("Invalid 'input[1].name': does not match", "invalid_value", "input[1].name")
    changed = healed(failure, a_body(*call("c1", "my.tool"), *call("c2")))
    assert changed is not None
    assert [item["type"] for item in changed["input"]] == ["message", "message", *(each["type"] for each in call("c2"))]
    assert "output of c1" in changed["input"][1]["content"][0]["text"]


def test_a_refused_output_stays_as_a_text_and_its_call_goes() -> None:
    failure = openai("Invalid value", "invalid_value", "input[2].output")
    changed = healed(failure, a_body(*call("c1"), *call("c2")))
    assert changed is not None
    assert [item.get("call_id") for item in changed["input"]] == [None, None, "c2", "c2"]
    assert "output of c1" in json.dumps(changed["input"][1])


@pytest.mark.parametrize("path", ["input[0]", "input[0].content", "input[0].content[0].text", "input[0].role"])
def test_a_message_keeps_its_text(path: str) -> None:
    assert healed(openai("Invalid value", "invalid_value", path), a_body()) is None


@pytest.mark.parametrize(
    "failure",
    [
        openai("The image data does not represent a valid image.", "invalid_value", "input[1].content[1].image_url"),
        openai("The image data does not represent a valid image.", None, "input"),
        openai("Invalid MIME type: unsupported MIME type image/svg+xml", "invalid_image_format"),
        openai("Could not process image", status=422),
    ],
)
def test_the_bad_image_becomes_a_line_of_text(failure: Failure) -> None:
    parts = [image(PNG), image(SVG), {"type": "input_text", "text": "look"}]
    body = a_body({"type": "message", "role": "user", "content": parts})
    changed = healed(failure, body)
    assert changed is not None
    content = changed["input"][1]["content"]
    assert [part["type"] for part in content] == ["input_image", "input_text", "input_text"]
    assert content[2] == parts[2]
    assert "image/svg+xml" in content[1]["text"]
    assert "refused" in content[1]["text"]


def test_an_image_in_a_tools_output() -> None:
    output = {**call("c1")[1], "output": [image(SVG)]}
    changed = healed(openai("That is no valid image."), a_body(call("c1")[0], output))
    assert changed is not None
    assert changed["input"][2]["output"][0]["type"] == "input_text"


def test_images_that_look_right_go_when_nothing_else_is_left() -> None:
    parts = [image(PNG), {"type": "input_text", "text": "look"}]
    changed = healed(openai("That is no valid image."), a_body({"type": "message", "role": "user", "content": parts}))
    assert changed is not None
    assert "image/png" in changed["input"][1]["content"][0]["text"]


NEWEST, PREVIOUS = Instructions("new words", "main"), Instructions("old words", "previous")


def test_refused_instructions_are_replaced_by_the_newest_then_by_the_previous() -> None:
    failure = refused(400, {"detail": "Instructions are not valid"})
    body = a_body()
    for expected in (NEWEST, PREVIOUS):
        changed = healed(failure, body, codex_instructions=lambda: [NEWEST, PREVIOUS])
        assert changed is not None
        assert changed["instructions"] == expected.text
        assert changed["input"] == body["input"]
        body = changed
    assert healed(failure, body, codex_instructions=lambda: [NEWEST, PREVIOUS]) is None
    error = final_error(failure, 1000, "previous")
    assert error is not None
    assert "those of previous" in error.message


def test_instructions_of_the_users_own_go_on_as_a_message() -> None:
    failure = refused(400, {"detail": "Instructions are not valid"})
    changed = healed(failure, a_body(), codex_instructions=lambda: [NEWEST], own_instructions=True)
    assert changed is not None
    assert changed["instructions"] == NEWEST.text
    assert changed["input"][0] == message("developer", "be good")


PAGE = b"<html><head><title>413 Request Entity Too Large</title></head></html>"


@pytest.mark.parametrize(
    "failure",
    [
        from_response(413, {"content-type": "text/html"}, PAGE, 0.1),
        openai("Request body too large, limit is 1 MB"),
        refused(500, {"error": {"message": "http: request body too large"}}),
        refused(400, {"detail": "Decompressed request body exceeds 268435456 bytes"}),
    ],
)
def test_what_is_too_large_loses_the_images_of_earlier_turns(failure: Failure) -> None:
    earlier = {"type": "message", "role": "user", "content": [image(PNG)]}
    now = {"type": "message", "role": "user", "content": [image(SVG)]}
    changed = healed(failure, a_body(earlier, now))
    assert changed is not None
    assert changed["input"][1]["content"][0]["type"] == "input_text"
    assert changed["input"][2] == now
    assert healed(failure, changed) is None
    error = final_error(failure, 3_400_000, "main")
    assert error is not None
    assert (error.status, error.code) == (400, "context_length_exceeded")
    assert "exceeds the context window" in error.message
    assert "3.4 MB" in error.message


def test_a_context_that_is_too_long_is_the_clients_affair() -> None:
    failure = openai("Your input exceeds the context window of this model.", "context_length_exceeded", "input")
    assert (
        healed(failure, a_body({"type": "message", "role": "user", "content": [image(PNG)]}, message("user", "x")))
        is None
    )
    assert final_error(failure, 1000, "main") is None


LOST = Failure("server closed connection", lost=True, reused=True, elapsed=0.5)


def same(failure: Failure, made: list[Attempt] | None = None, policy: Policy | None = None) -> str | None:
    attempt = decide(failure, Sent(a_body()), made or [], policy or Policy(), chance=0.5)
    return attempt.rule if attempt else None


def test_a_close_that_crossed_the_request() -> None:
    assert same(LOST) == "reconnect"
    assert same(Failure("server closed connection", lost=True, reused=True, elapsed=2.5)) is None
    assert same(LOST, policy=Policy(retries=0)) == "reconnect"
    assert same(Failure("server closed connection", lost=True, elapsed=0.5), policy=Policy(retries=0)) is None
    first = decide(LOST, Sent(a_body()), [], Policy())
    assert first
    assert same(Failure("server closed connection", lost=True, elapsed=0.5), [first]) is None
    assert same(Failure("no", status=503), [first]) == "retry"


def test_what_is_no_answer_is_not_asked_for_again() -> None:
    for error in (ApiError(502, "a web page", code="not_an_answer"), ApiError(500, "no", code="server_error")):
        assert same(from_error(error, 0.1)) is None
    assert same(from_error(ApiError(503, "later", code="server_is_overloaded"), 0.1)) == "retry"


@pytest.mark.parametrize("status", [502, 503, 504, 520, 524, 529])
def test_an_overloaded_server_is_asked_again_as_often_as_is_set(status: int) -> None:
    failure = Failure("no", status=status, elapsed=0.5)
    first = decide(failure, Sent(a_body()), [], Policy(), chance=0.5)
    assert first
    assert 0.2 <= first.pause <= 0.6
    assert same(failure, [first]) is None
    assert same(failure, [first], Policy(retries=2)) == "retry"
    assert same(failure, policy=Policy(retries=0)) is None
    assert same(Failure("no", status=status, elapsed=2.5)) is None
    assert same(Failure("no", status=status, elapsed=0.5, retry_after=7)) is None


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_other_refusals_go_to_the_client(status: int) -> None:
    assert same(Failure("no", status=status)) is None


def test_without_heal_there_is_one_attempt() -> None:
    policy = Policy(heal=False)
    assert same(refused(400, {"detail": "Unsupported parameter: include"}), policy=policy) is None
    assert same(LOST, policy=policy) is None
    assert same(Failure("no", status=503), policy=policy) is None


def test_a_call_has_four_attempts() -> None:
    made: list[Attempt] = []
    failure = Failure("no", status=503)
    while attempt := decide(failure, Sent(a_body()), made, Policy(retries=9)):
        made.append(attempt)
    assert len(made) + 1 == MAX_ATTEMPTS


def test_the_same_change_is_not_made_twice() -> None:
    failure = refused(400, {"detail": "Unsupported parameter: include"})
    body = a_body(include=["x"])
    first = decide(failure, Sent(body), [], Policy())
    assert first
    assert decide(failure, Sent(body), [first], Policy()) is None


words = st.text(max_size=40)
paths = st.one_of(words, st.from_regex(r"input(\[[0-9]\]|\.[a-z]{1,6}){1,4}", fullmatch=True))
parts = st.sampled_from([image(PNG), image(SVG), {"type": "input_text", "text": "a"}, {"type": "mystery", "x": [1]}])
items = st.one_of(
    st.lists(parts, max_size=3).map(lambda each: [{"type": "message", "role": "user", "content": each}]),
    st.sampled_from([call("c1"), call("c2")[:1], [reasoning("e")], [{"type": "odd", "a": {"type": "b"}}]]),
)


@given(
    history=st.lists(items, max_size=6),
    text=st.one_of(words, st.sampled_from(["no valid image", "Unsupported parameter: include", "body too large"])),
    param=paths,
    status=st.sampled_from([400, 403, 404, 413, 422, 500, 503]),
)
def test_no_refusal_loses_a_text_of_the_user(history: list[Any], text: str, param: str, status: int) -> None:
    body = a_body(*(item for group in history for item in group), include=["x"])
    before = json.loads(json.dumps(body))
    made: list[Attempt] = []
    failure = openai(text, None, param, status)
    while attempt := decide(failure, Sent(body), made, Policy()):
        made.append(attempt)
        if attempt.edit:
            attempt.edit.apply(body, Changes())
    assert len(made) < MAX_ATTEMPTS
    kept = json.dumps(body["input"])
    for item in before["input"]:
        for part in item.get("content", ()):
            assert part["type"] != "input_text" or json.dumps(part["text"])[1:-1] in kept
        if item["type"].endswith("_output"):
            assert item["output"] in kept
