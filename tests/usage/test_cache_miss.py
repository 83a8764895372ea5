"""Why the cache missed: each cause is distinguished from the others, and its cost is counted."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.request.client_request import ClientRequest, read_request
from codex_transform.sandbox.cache import PromptCache
from codex_transform.usage.cache_miss import MAX_THREADS, PromptCacheTracker
from codex_transform.usage.record import CacheVerdict, Tokens

Body = dict[str, Any]

TOOLS = [{"type": "function", "name": name, "description": name * 50} for name in ("bash", "edit", "read")]


def message(role: str, text: str) -> Body:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}


def turn(number: int) -> list[Body]:
    return [
        {"type": "function_call", "call_id": f"c{number}", "name": "bash", "arguments": "{}"},
        {"type": "function_call_output", "call_id": f"c{number}", "output": f"{number} " * 200},
    ]


def request(turns: int = 10, **changes: Any) -> Body:
    items = [
        message("developer", "bridge"),
        message("user", "please"),
        *(item for n in range(turns) for item in turn(n)),
    ]
    fixed = {"model": "gpt-5.1", "reasoning": {"effort": "medium"}, "instructions": "words " * 500, "tools": TOOLS}
    return {**fixed, "input": items, **changes}


def replace_item(body: Body, index: int, item: object) -> Body:
    return {**body, "input": [*body["input"][:index], item, *body["input"][index + 1 :]]}


def as_received(body: Body | None) -> ClientRequest | None:
    """The body as it is read from a client."""
    return None if body is None else read_request(json.dumps(body).encode())


def size(body: Body) -> int:
    """A rough number of tokens."""
    return len(json.dumps(body)) // 4


def explain_second(
    *bodies: Body,
    cached: int | None,
    originals: tuple[Body | None, Body | None] = (None, None),
    gap: float = 60.0,
) -> CacheVerdict:
    """The verdict on the second of two requests, of which `cached` tokens were cached; None: all of the first."""
    conversations = PromptCacheTracker()
    first, second = bodies
    before = size(first)
    conversations.explain("c", 0.0, first, as_received(originals[0]), Tokens(input=before))
    tokens = Tokens(input=size(second), cached=before // 128 * 128 if cached is None else cached)
    verdict = conversations.explain("c", gap, second, as_received(originals[1]), tokens)
    assert verdict
    return verdict


def test_there_is_no_verdict_without_a_conversation_or_usage() -> None:
    conversations = PromptCacheTracker()
    assert conversations.explain(None, 0.0, request(), None, Tokens(input=5)) is None
    assert conversations.explain("c", 0.0, request(), None, None) is None
    verdict = conversations.explain("c", 1.0, request(), None, Tokens(input=5000, cached=1024))
    assert verdict == CacheVerdict(cause="first", says="first request of this conversation: 1.0k cached")


def test_an_append_that_was_cached() -> None:
    verdict = explain_second(request(10), request(12), cached=None)
    assert (verdict.cause, verdict.missed) == ("append", 0)
    assert verdict.expected == size(request(10)) // 128 * 128
    assert re.fullmatch(r"append: ~\d\.\dk expected, \d\.\dk cached", verdict.says)


def test_an_append_that_was_nearly_all_cached() -> None:
    verdict = explain_second(request(10), request(12), cached=size(request(10)) // 128 * 128 - 256)
    assert (verdict.cause, verdict.missed) == ("append", 256)


def test_the_same_request_again_is_an_append() -> None:
    assert explain_second(request(), request(), cached=None).cause == "append"


def test_a_request_that_ends_earlier_is_an_append() -> None:
    verdict = explain_second(request(20), request(10), cached=size(request(10)) // 128 * 128)
    assert (verdict.cause, verdict.missed) == ("append", 0)
    assert verdict.expected
    assert abs(verdict.expected - size(request(10))) < 256


def test_a_small_request_that_is_not_cached_is_no_miss() -> None:
    small = request(0, instructions="short", tools=[])
    verdict = explain_second(small, {**small, "input": [*small["input"], message("user", "more")]}, cached=0)
    assert (verdict.cause, verdict.expected, verdict.missed) == ("append", 0, 0)


def test_a_miss_after_a_long_pause_is_idle() -> None:
    verdict = explain_second(request(10), request(11), cached=0, gap=47 * 60.0)
    assert (verdict.cause, verdict.missed) == ("idle", size(request(10)) // 128 * 128)
    assert re.fullmatch(r"idle for 47 minutes: \d\.\dk not cached", verdict.says)


def test_a_cached_request_after_a_long_pause_is_an_append() -> None:
    assert explain_second(request(10), request(11), cached=None, gap=47 * 60.0).cause == "append"


def test_a_miss_without_a_cause_is_the_endpoints() -> None:
    verdict = explain_second(request(10), request(11), cached=128, gap=200.0)
    assert verdict.cause == "endpoint"
    assert verdict.missed == size(request(10)) // 128 * 128 - 128
    assert "128 of ~" in verdict.says


CHANGES: list[tuple[str, Callable[[Body], Body], str]] = [
    ("model", lambda body: {**body, "model": "gpt-5.2"}, "model gpt-5.1 → gpt-5.2"),
    ("effort", lambda body: {**body, "reasoning": {"effort": "high"}}, "effort medium → high"),
    ("effort", lambda body: {**body, "reasoning": {}}, "effort medium → default"),
    ("instructions", lambda body: {**body, "instructions": "other " * 500}, "instructions changed"),
    ("tools", lambda body: {**body, "tools": [{**TOOLS[0], "strict": True}, *TOOLS[1:]]}, "tool `bash` changed"),
    ("tools", lambda body: {**body, "tools": TOOLS[1:]}, "tool `bash` removed"),
    ("tools", lambda body: {**body, "tools": TOOLS[:2]}, "tool `read` removed"),
    ("tools", lambda body: {**body, "tools": [*TOOLS, {"type": "web_search"}]}, "tool `web_search` added"),
    ("tools", lambda body: {**body, "tools": TOOLS[::-1]}, "tool `read` moved"),
    ("item", lambda body: replace_item(body, 3, "new"), "input[3] of 24 (text) changed"),
    ("item", lambda body: replace_item(body, 2, turn(9)[1]), "input[2] of 24 (function_call_output) changed"),
    ("item", lambda body: replace_item(body, 0, message("developer", "a")), "input[0] of 24 (developer) changed"),
]  # fmt: skip


@pytest.mark.parametrize(("cause", "change", "what"), CHANGES)
@pytest.mark.parametrize("by", ["client", "addon", None])
def test_the_first_part_that_changed_is_the_cause(
    cause: str, change: Callable[[Body], Body], what: str, by: str | None
) -> None:
    before, after = request(10), request(11)
    originals = {"client": (before, change(after)), "addon": (before, after), None: (None, None)}[by]
    verdict = explain_second(before, change(after), cached=0, originals=originals)
    assert verdict.cause == cause
    assert verdict.says.startswith(f"{what} by the {by}: " if by else f"{what}: ")
    assert verdict.says.endswith("k not cached")
    # The cost is counted against what an append would have had.
    assert verdict.missed == size(before) // 128 * 128
    assert verdict.expected is not None
    assert verdict.expected < verdict.missed


def test_a_change_that_cost_nothing_says_so() -> None:
    # Some endpoints share a cache between efforts.
    verdict = explain_second(request(10), request(11, reasoning={"effort": "low"}), cached=None)
    assert (verdict.cause, verdict.says, verdict.missed) == ("effort", "effort medium → low, which cost nothing", 0)


def test_the_effort_is_not_blamed_if_the_tools_before_a_change_were_cached() -> None:
    """A client's other agent has its own effort and its own tools."""
    long = [{"name": f"tool{number}", "description": "words " * 1000} for number in range(3)]
    before = request(5, tools=long)
    after = request(6, tools=[*long[:2], {**long[2], "strict": True}], reasoning={"effort": "high"})
    verdict = explain_second(before, after, cached=3072, originals=(before, after))
    assert verdict.cause == "tools"
    assert verdict.says.startswith("tool `tool2` changed by the client: ")
    # With nothing cached, the effort may be the cause.
    assert explain_second(before, after, cached=0).cause == "effort"
    # So little may have been cached for another thread: the effort explains more.
    assert explain_second(before, after, cached=1024).cause == "effort"


def test_an_effort_in_the_models_name_was_changed_by_the_client() -> None:
    originals = ({"model": "gpt-5.1", "input": []}, {"model": "gpt-5.1-high", "input": []})
    verdict = explain_second(request(10), request(11, reasoning={"effort": "high"}), cached=0, originals=originals)
    assert verdict.cause == "effort"
    assert "by the client" in verdict.says


def test_instructions_that_became_an_item_were_changed_by_the_client() -> None:
    originals = ({"instructions": "be brief", "input": []}, {"instructions": "be long", "input": []})
    changed = replace_item(request(11), 1, message("developer", "be long"))
    assert explain_second(request(10), changed, cached=0, originals=originals).says.startswith(
        "input[1] of 24 (developer) changed by the client"
    )


def test_tools_before_the_one_that_changed_could_still_be_cached() -> None:
    long = [{"name": f"tool{number}", "description": "words " * 1000} for number in range(3)]
    changed = [*long[:2], {**long[2], "strict": True}]
    before = request(5, tools=long)
    verdict = explain_second(before, request(5, tools=changed), cached=0)
    assert verdict.expected
    assert 3000 < verdict.expected < verdict.missed == size(before) // 128 * 128


def test_of_equally_similar_requests_the_latest_is_compared() -> None:
    conversations = PromptCacheTracker()
    texts = []
    for model in ("a", "b", "c"):
        verdict = conversations.explain("c", 0, request(5, model=model), None, Tokens(input=5000, cached=0))
        assert verdict
        texts.append(verdict.says)
    assert texts[1:] == ["model a → b: 5.0k not cached", "model b → c: 5.0k not cached"]


def test_items_before_a_change_could_still_be_cached() -> None:
    body = request(20)
    late = replace_item(request(21), 30, "new")
    kept = size({**body, "input": body["input"][:30]}) // 128 * 128
    verdict = explain_second(body, late, cached=kept)
    assert verdict.cause == "item"
    assert verdict.expected
    assert abs(verdict.expected - kept) < 300
    assert verdict.missed == size(body) // 128 * 128 - kept


def test_a_small_change_does_not_explain_a_large_miss() -> None:
    body = request(20)
    late = replace_item(request(20), 41, "new")
    assert explain_second(body, late, cached=0).cause == "endpoint"
    assert explain_second(body, late, cached=0, gap=3600).cause == "idle"
    assert explain_second(body, late, cached=size(request(18)) // 128 * 128).cause == "item"


def test_a_compacted_history_costs_no_more_than_its_length() -> None:
    before = request(100)
    after = {**before, "input": [*before["input"][:2], message("user", "summary " * 800)]}
    verdict = explain_second(before, after, cached=1024, originals=(before, after))
    assert verdict.cause == "item"
    assert verdict.says.startswith("history of 202 items replaced from input[2] (user) on by the client")
    assert verdict.missed == size(after) // 128 * 128 - 1024


@pytest.mark.parametrize("times", [1, 2 * MAX_THREADS])
def test_requests_for_titles_do_not_disturb_the_conversation(times: int) -> None:
    conversations = PromptCacheTracker()

    def cause(body: Body) -> str:
        verdict = conversations.explain("c", 0, body, as_received(body), Tokens(input=size(body), cached=size(body)))
        assert verdict
        assert verdict.missed == 0
        return verdict.cause

    def title(text: str) -> Body:
        return {"model": "gpt-5.1-mini", "input": [message("developer", "write a title"), message("user", text)]}

    assert cause(request(1)) == "first"
    assert cause(title("please")) == "first"
    for number in range(times):
        assert cause(title(f"please {number}")) == "item"
    assert cause(request(2)) == "append"


def test_a_sub_agent_with_the_same_key_does_not_disturb_the_conversation() -> None:
    conversations = PromptCacheTracker()
    main, sub = request(5), replace_item(request(0), 1, message("user", "look for it"))
    conversations.explain("c", 0, main, as_received(main), Tokens(input=size(main)))
    for turns in (1, 2):
        verdict = conversations.explain("c", turns, sub, as_received(sub), Tokens(input=size(sub), cached=size(sub)))
        assert verdict
        assert verdict.missed == 0
        sub = {**sub, "input": [*sub["input"], *turn(turns)]}
    verdict = conversations.explain(
        "c", 3, request(6), as_received(request(6)), Tokens(input=size(request(6)), cached=size(main))
    )
    assert verdict
    assert verdict.cause == "append"


def test_returning_to_the_previous_model_is_an_append() -> None:
    conversations = PromptCacheTracker()
    tokens = Tokens(input=9000, cached=8960)
    conversations.explain("c", 0, request(5), None, tokens)
    away = conversations.explain("c", 1, request(6, model="gpt-5.2"), None, tokens)
    back = conversations.explain("c", 2, request(7), None, tokens)
    assert away
    assert back
    assert (away.cause, back.cause) == ("model", "append")


def test_failed_calls_are_ignored() -> None:
    conversations = PromptCacheTracker()
    conversations.explain("c", 0, request(5), None, Tokens(input=9000))
    assert conversations.explain("c", 1, request(6, model="other"), None, None) is None
    verdict = conversations.explain("c", 2, request(6), None, Tokens(input=9500, cached=8960))
    assert verdict
    assert verdict.cause == "append"


def test_conversations_are_separate_and_the_oldest_is_forgotten() -> None:
    conversations = PromptCacheTracker(size=2)

    def cause(name: str) -> str:
        verdict = conversations.explain(name, 0, request(3), None, Tokens(input=5000, cached=4992))
        assert verdict
        return verdict.cause

    assert [cause(name) for name in ("a", "b", "a", "c", "a", "b")] == [
        "first", "first", "append", "first", "append", "first",
    ]  # fmt: skip


def test_memory_is_bounded_by_the_number_of_parts_too() -> None:
    conversations = PromptCacheTracker(parts=100)
    for name in "abc":
        conversations.explain(name, 0, request(20), None, Tokens(input=5000))
    again = [conversations.explain(name, 1, request(20), None, Tokens(input=5000, cached=4992)) for name in "cab"]
    assert [verdict.cause for verdict in again if verdict] == ["append", "first", "first"]


def test_the_threads_of_a_conversation_are_bounded() -> None:
    conversations = PromptCacheTracker()
    for number in range(MAX_THREADS + 1):
        body = request(3, instructions=f"{number}", input=[message("user", f"{number}")])
        conversations.explain("c", number, body, None, Tokens(input=5000))
    first = request(3, instructions="0", input=[message("user", "0")])
    verdict = conversations.explain("c", 9, first, None, Tokens(input=5000))
    assert verdict == CacheVerdict(cause="first", says="first request of another thread in this conversation: 0 cached")


PARTS = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["gpt-5.1", "gpt-5.2"]),
        "reasoning": st.sampled_from([{"effort": "low"}, {"effort": "high"}, None, 5]),
        "instructions": st.sampled_from(["a" * 5000, "b" * 3000, ""]),
        "tools": st.lists(st.sampled_from([*TOOLS, {}, {"name": "\n" * 50}]), max_size=4),
        "input": st.lists(st.sampled_from([*turn(1), *turn(2), message("user", "x" * 9000), "t", 5]), max_size=6)
        | st.text(),
    }
)
TOKENS = st.builds(Tokens, input=st.integers(0, 50_000), cached=st.integers(0, 50_000))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 1e5), PARTS, st.none() | PARTS, TOKENS), max_size=12))
def test_verdicts_on_arbitrary_requests_are_consistent(
    calls: list[tuple[str, float, Body, Body | None, Tokens]],
) -> None:
    conversations = PromptCacheTracker(size=1, parts=20)
    for name, at, sent, original, tokens in calls:
        verdict = conversations.explain(name, at, sent, as_received(original), tokens)
        assert verdict
        assert verdict.says.isprintable()
        assert len(verdict.says) < 200
        assert 0 <= verdict.missed <= max(0, tokens.input - tokens.cached)
        assert (verdict.expected is None) == (verdict.cause == "first")
        assert verdict.expected is None or 0 <= verdict.expected <= tokens.input
        blamed = "by the client" in verdict.says or "by the addon" in verdict.says
        assert not blamed or (original is not None and verdict.cause not in ("first", "append", "idle"))


@given(st.lists(st.lists(st.sampled_from([*turn(1), *turn(2), message("user", "x" * 900)]), min_size=1), min_size=2))
def test_a_conversation_that_only_grows_never_misses_where_prefixes_are_cached(turns: list[list[Body]]) -> None:
    conversations, cache = PromptCacheTracker(), PromptCache()
    body = request(0)
    for number, more in enumerate(turns):
        body = {**body, "input": [*body["input"], *more]}
        counted = cache.count(body)
        tokens = Tokens(input=counted.all, cached=counted.cached)
        verdict = conversations.explain("c", number, body, as_received(body), tokens)
        assert verdict
        assert verdict.cause == ("append" if number else "first")
        # An expectation is a guess to within a few blocks.
        assert verdict.missed <= 256
