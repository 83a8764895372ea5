"""Tokens are counted as by a prompt cache: exact prefixes of at least 1024 tokens, in steps of 128."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from codex_transform.sandbox.cache import SMALLEST, STEP, PromptCache, tokens


def request(
    *items: object, key: str | None = "k", instructions: str = "", tools: Sequence[str] = (), model: str = "m"
) -> dict[str, Any]:
    return {
        "model": model,
        "prompt_cache_key": key,
        "instructions": instructions,
        "tools": list(tools),
        "input": list(items),
    }


def test_the_longest_known_prefix_is_cached() -> None:
    cache = PromptCache()
    long, longer = "a" * 6000, "b" * 6000
    assert cache.count(request(long)) == (tokens(6004), 0, 1408)
    assert cache.count(request(long)) == (tokens(6004), 1408, 0)
    assert cache.count(request(long, longer)).cached == 1408
    assert cache.count(request(long, longer, "more")).cached == 2944
    # After a change, nothing that follows is cached.
    assert cache.count(request("x" + long, longer)).cached == 0
    assert cache.count(request(long, "x" + longer)).cached == 1408


def test_tools_and_instructions_come_before_the_input() -> None:
    cache = PromptCache()
    cache.count(request("hi", instructions="i" * 6000, tools=["t" * 6000]))
    assert cache.count(request("hi", instructions="i" * 6000, tools=["u" * 6000])).cached == 1408
    assert cache.count(request("hi", instructions="j" * 6000, tools=["t" * 6000])).cached == 0


def test_other_keys_and_models_share_no_cache() -> None:
    cache = PromptCache()
    cache.count(request("a" * 6000))
    assert cache.count(request("a" * 6000, key="other")).cached == 0
    assert cache.count(request("a" * 6000, model="other")).cached == 0
    assert cache.count(request("a" * 6000, key=None)).cached == 0
    assert cache.count(request("a" * 6000, key=None)).cached == 1408


def test_the_order_of_an_items_members_matters() -> None:
    cache = PromptCache()
    cache.count(request({"a": "x" * 6000, "b": 1}))
    assert cache.count(request({"b": 1, "a": "x" * 6000})).cached == 0


def test_short_prompts_are_not_cached() -> None:
    cache = PromptCache()
    # Quotes and empty instructions take the rest.
    for characters in (SMALLEST * 4 - 8, SMALLEST * 4 - 4):
        cache.count(request("a" * characters))
        assert cache.count(request("a" * characters)).cached == (SMALLEST if characters == SMALLEST * 4 - 4 else 0)


def test_the_least_recently_used_prefixes_are_evicted() -> None:
    cache = PromptCache(size=6)
    used = request("a" * 6000)
    cache.count(used)
    for number in range(20):
        cache.count(request(f"{number}" * 6000))
        assert cache.count(used).cached == 1408
    cache.count(request(*"abcdef"))
    assert cache.count(used).cached == 0


@given(st.lists(st.text(alphabet="ab", max_size=3000), max_size=6), st.integers(0, 6))
def test_the_prefix_of_a_longer_conversation_is_cached(items: list[str], cut: int) -> None:
    cache = PromptCache()
    before = cache.count(request(*items[:cut])).all
    total, cached, written = cache.count(request(*items))
    assert cached % STEP == written % STEP == 0
    assert cached + written <= total
    assert cached == (before // STEP * STEP if before >= SMALLEST else 0)
