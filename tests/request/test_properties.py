"""What holds for every request, whatever is in it."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from codex_transform.catalog import EFFORTS, aliases, models
from codex_transform.clients.client import OPENCODE
from codex_transform.errors import ApiError
from codex_transform.jsonio import dumps
from codex_transform.opencode.config import ModelOptions
from codex_transform.request import Context, transform
from codex_transform.request.client_request import read_request
from codex_transform.request.fixed_fields import UNSUPPORTED_FIELDS

INSTRUCTIONS = "Codex instructions for the tests."
CONTEXT = "You are powered by the model named x.\n<env>\n</env>\n"
PROMPT = "You are OpenCode, invented for this test.\nWork well.\n"

# A bounded alphabet: with any other, hypothesis spends seconds building a table on its first run.
letters = st.characters(max_codepoint=0xD7FF) | st.sampled_from("😀‹›`\n")
words = st.text(letters, max_size=30)
unmarked = words.map(lambda text: text.replace("‹", "›"))  # never looks like a marked text
names = st.sampled_from([model.slug for model in models()] + list(aliases()) + ["gpt-99", "claude"])
efforts = st.sampled_from([*EFFORTS, None])
tools = st.lists(
    st.builds(
        lambda kind, name: {"type": kind, "name": name, "parameters": {"type": "object", "properties": {}}},
        st.sampled_from(["function", "custom"]),
        st.sampled_from(["bash", "edit", "apply_patch", "read", "todowrite", "x_y"]) | unmarked,
    ),
    max_size=5,
)


def marked(text: str, number: int) -> str:
    """A text that can be found again by its number."""
    return f"‹{number}›{text}‹/{number}›"


@st.composite
def items(draw: st.DrawFn, first: int = 0, leading: bool = True) -> list[dict[str, Any]]:
    """Turns of a conversation; every text is marked with its place, counted from `first`."""
    made: list[dict[str, Any]] = []
    if leading and draw(st.booleans()):
        made.append({"role": "developer", "content": PROMPT + CONTEXT + marked(draw(words), first)})
    for number in range(first + 1, first + 1 + draw(st.integers(0, 8))):
        text, call = marked(draw(words), number), f"call_{number}"
        kind = draw(st.sampled_from(["user", "assistant", "parts", "reasoning", "call", "orphan", "reference"]))
        if kind in ("user", "assistant"):
            made.append({"role": kind, "content": text, "id": f"msg_{number}"})
        elif kind == "parts":
            made.append({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
        elif kind == "reasoning":
            made.append({"type": "reasoning", "id": "rs", "encrypted_content": text, "summary": []})
        elif kind == "reference":
            made.append({"type": "item_reference", "id": "msg_1"})
        else:
            stem = draw(st.sampled_from(["function_call", "custom_tool_call", "local_shell_call"]))
            if kind == "call":
                made.append({"type": stem, "id": "fc", "call_id": call, "name": "bash"})
            made.append({"type": f"{stem}_output", "call_id": call, "output": text})
    return made


requests = st.fixed_dictionaries(
    {"model": names, "input": items() | words.map(lambda text: marked(text, 1))},
    optional={
        "instructions": words.map(lambda text: marked(text, 999)) | st.just(INSTRUCTIONS),
        "tools": tools,
        "stream": st.booleans(),
        "store": st.booleans(),
        "include": st.lists(words, max_size=3),
        "reasoning": st.fixed_dictionaries(
            {}, optional={"effort": efforts, "summary": st.sampled_from(["auto", "concise", "none", None])}
        ),
        "text": st.fixed_dictionaries(
            {}, optional={"verbosity": st.sampled_from(["low", "high", None]), "format": st.just({"type": "text"})}
        ),
        "service_tier": st.sampled_from(["priority", "flex", None]),
        "prompt_cache_key": words,
        **{name: st.none() | st.integers() | words for name in UNSUPPORTED_FIELDS},
    },
)
contexts = st.builds(
    lambda mode, compact, options: Context(
        OPENCODE, mode=mode, compact=compact, options_for=lambda _: options, instructions=lambda _, __: INSTRUCTIONS
    ),
    st.booleans(),
    st.booleans(),
    st.builds(
        ModelOptions,
        effort=efforts,
        summary=st.sampled_from([None, "none", "detailed", "on"]),
        verbosity=st.sampled_from([None, "high"]),
        include=st.sampled_from([(), ("a",)]),
    ),
)


def sent(body: dict[str, Any], context: Context) -> dict[str, Any]:
    return transform(read_request(dumps(body)).body, context).body


def texts(items: str | list[dict[str, Any]]) -> list[str]:
    """The marked texts of an input, in order."""
    if isinstance(items, str):
        return [items]
    found = []
    for item in items:
        content = item.get("content") or item.get("output") or item.get("encrypted_content") or ""
        text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        if "‹" in text:
            found.append(text[text.index("‹") :])
    return found


@given(requests, contexts)
def test_transforming_again_changes_nothing(body: dict[str, Any], context: Context) -> None:
    once = sent(body, context)
    assert dumps(sent(once, context)) == dumps(once)


@given(requests, contexts)
def test_no_text_is_lost_and_nothing_is_reordered(body: dict[str, Any], context: Context) -> None:
    expected = texts(body["input"])
    if body.get("instructions", INSTRUCTIONS) != INSTRUCTIONS:
        expected.insert(0, body["instructions"])
    assert texts(sent(body, context)["input"]) == expected


@given(requests, contexts)
def test_nothing_that_codex_endpoints_refuse_is_left(body: dict[str, Any], context: Context) -> None:
    done = transform(read_request(dumps(body)).body, context)
    assert not set(UNSUPPORTED_FIELDS) & done.body.keys()
    assert done.body["instructions"] == INSTRUCTIONS
    if context.compact:
        assert not {"store", "stream", "include"} & done.body.keys()
    else:
        assert (done.body["store"], done.body["stream"]) == (False, True)
        assert done.body["include"].count("reasoning.encrypted_content") == 1
        assert len(set(done.body["include"])) == len(done.body["include"])
    model = done.resolved.model
    if model:
        assert done.body["reasoning"]["effort"] in model.efforts
        assert model.supports_verbosity or "verbosity" not in done.body.get("text", {})
        assert done.body.get("service_tier") in (None, *model.service_tiers)
    calls = {(item["type"], item["call_id"]) for item in done.body["input"] if item["type"].endswith("_call")}
    for item in done.body["input"]:
        assert "id" not in item
        assert item["type"] != "item_reference"
        if item["type"] == "message":
            assert item["role"] != "system"
            assert isinstance(item["content"], list)
        if item["type"].endswith("_output"):
            assert (item["type"].removesuffix("_output"), item["call_id"]) in calls


@given(requests, contexts)
def test_transforming_is_deterministic(body: dict[str, Any], context: Context) -> None:
    assert dumps(sent(copy.deepcopy(body), context)) == dumps(sent(body, context))


@given(requests, contexts, st.data())
def test_a_longer_conversation_begins_with_the_bytes_of_the_shorter(
    body: dict[str, Any], context: Context, data: st.DataObject
) -> None:
    body["input"] = data.draw(items())
    more = data.draw(items(first=len(body["input"]) + 100, leading=False))
    shorter, longer = sent(body, context), sent({**body, "input": body["input"] + more}, context)
    assert longer.keys() == shorter.keys()
    for name in longer:
        if name != "input":
            assert dumps({"": longer[name]}) == dumps({"": shorter[name]})
    head = longer["input"][: len(shorter["input"])]
    assert dumps({"": head}) == dumps({"": shorter["input"]})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(letters, max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "role", "content", "id", "call_id", "output", "text", "name", "effort", "verbosity"]
            )
            | st.text(letters, max_size=3),
            inner | st.sampled_from(["message", "function_call_output", "developer", "namespace", "web_search"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)
fields = st.sampled_from(
    ["input", "instructions", "stream", "include", "tools", "reasoning", "text", "prompt_cache_key", "model", "store"]
)


@given(st.dictionaries(fields, anything, max_size=8), st.booleans())
def test_any_body_is_transformed_or_refused_by_its_field(body: dict[str, Any], whole: bool) -> None:
    context = Context(
        OPENCODE, mode=True, options_for=lambda _: ModelOptions(), instructions=lambda _, __: INSTRUCTIONS
    )
    if whole:
        body = {"model": "gpt-5.2", "input": "hi", **body}
    try:
        once = sent(body, context)
    except ApiError as error:
        refused = error
    else:
        assert dumps(sent(once, context)) == dumps(once)
        return
    assert refused.status == 400
    assert refused.param
