"""The store: what is fetched and when, what survives a bad response, and that a conversation keeps its text."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.raw_host import NEW_PATH, OLD_PATH, Answer, RawHost, catalogue, levels, raw_host

from codex_transform import catalog
from codex_transform.catalog import MAIN, Model, models, resolve
from codex_transform.instructions.store import FIRST_RETRY, REFRESH_INTERVAL, InstructionStore, learn_cached
from codex_transform.values import MAX_KEYS

CURRENT = [model.slug for model in models() if model.current]
OLDER = [model for model in models() if not model.current]
TAGS = sorted({model.release for model in OLDER})
NEWEST = next(model.release for model in models() if model.current)

SOL = resolve("gpt-6.1-sol")
CODEX = resolve("gpt-5.1-codex")


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def host() -> Iterator[RawHost]:
    """A mirror as it should be: `main` and old tags, each with the file where it was kept at the time."""
    with raw_host() as host:
        main = catalogue(*CURRENT, "gpt-7-new", text="main")
        host.answers[f"main/{NEW_PATH}"] = Answer(main, etag='"main-1"')
        for tag in TAGS:
            path = OLD_PATH if tag == "rust-v0.120.0" else NEW_PATH
            slugs = [model.slug for model in OLDER if model.release == tag]
            host.answers[f"{tag}/{path}"] = Answer(catalogue(*slugs, text=tag), etag=f'"{tag}"')
        yield host


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def store(host: RawHost, cache: Path, clock: Clock, override: str | None = None) -> InstructionStore:
    return InstructionStore(cache, host.root, override, timeout=30.0, deadline=60.0, now=clock)


def serve_main(host: RawHost, text: str, etag: str | None = '"main-2"') -> None:
    host.answers[f"main/{NEW_PATH}"] = Answer(catalogue(*CURRENT, text=text), etag=etag)


# What is fetched


def test_each_text_comes_from_its_own_ref(host: RawHost, cache: Path, clock: Clock) -> None:
    instructions = store(host, cache, clock)
    assert instructions.refresh() == []
    for model in models():
        ref = "main" if model.current else model.release
        # The names of some older models are now aliases of their successors, hence the slug.
        resolved = resolve(model.slug)._replace(slug=model.slug, model=model)
        assert instructions.text(resolved, None) == f"{ref} of {model.slug}"
        assert instructions.source(resolved) == ref
    assert set(host.targets()) == {
        f"main/{NEW_PATH}",
        *(f"{tag}/{NEW_PATH}" for tag in TAGS),
        f"rust-v0.120.0/{OLD_PATH}",
    }


def test_an_alias_gets_the_text_of_its_model(host: RawHost, cache: Path, clock: Clock) -> None:
    instructions = store(host, cache, clock)
    instructions.refresh()
    assert instructions.text(resolve("openai/gpt-5-codex-high"), None) == "rust-v0.120.0 of gpt-5.1-codex"


def test_an_unknown_model_gets_its_text_from_main(host: RawHost, cache: Path, clock: Clock) -> None:
    instructions = store(host, cache, clock)
    instructions.refresh()
    assert instructions.text(resolve("gpt-7-new"), None) == "main of gpt-7-new"
    assert instructions.source(resolve("gpt-7-new")) == "main"
    assert instructions.source(resolve("gpt-99")) == "bundled"


def test_a_trailing_slash_does_not_matter(host: RawHost, cache: Path, clock: Clock) -> None:
    InstructionStore(cache, f"{host.root}/openai/codex//", now=clock).refresh()
    targets = host.targets()
    assert f"openai/codex/main/{NEW_PATH}" in targets
    assert all("//" not in target for target in targets)


def test_a_current_model_that_main_lacks_is_looked_for_under_its_tag(host: RawHost, cache: Path, clock: Clock) -> None:
    host.answers[f"main/{NEW_PATH}"] = Answer(catalogue("gpt-6-sol", text="main"))
    host.answers[f"{NEWEST}/{NEW_PATH}"] = Answer(catalogue(*CURRENT, text="tag"))
    instructions = store(host, cache, clock)
    assert instructions.refresh() == []
    assert instructions.text(SOL, None) == "tag of gpt-6.1-sol"
    assert instructions.text(resolve("gpt-6-sol"), None) == "main of gpt-6-sol"


def test_a_mirror_without_main_still_serves_the_tags(host: RawHost, cache: Path, clock: Clock) -> None:
    del host.answers[f"main/{NEW_PATH}"]
    host.answers[f"{NEWEST}/{NEW_PATH}"] = Answer(catalogue(*CURRENT, text="tag"))
    instructions = store(host, cache, clock)
    (warning,) = instructions.refresh()
    assert "main" in warning
    assert "404" in warning
    assert instructions.source(SOL) == NEWEST


# When it is fetched


def test_main_is_checked_at_most_every_quarter_hour(host: RawHost, cache: Path, clock: Clock) -> None:
    instructions = store(host, cache, clock)
    instructions.refresh()
    assert instructions.age() == 0.0
    host.targets()
    clock.time += REFRESH_INTERVAL - 1
    assert instructions.refresh() == []
    assert host.targets() == []
    assert instructions.age() == REFRESH_INTERVAL - 1
    clock.time += 1
    assert instructions.refresh() == []
    assert host.requests[0].headers["if-none-match"] == '"main-1"'
    assert host.targets() == [f"main/{NEW_PATH}"]
    assert instructions.age() == 0.0
    assert instructions.text(SOL, None) == "main of gpt-6.1-sol"


def test_a_changed_main_is_adopted(host: RawHost, cache: Path, clock: Clock) -> None:
    instructions = store(host, cache, clock)
    instructions.refresh()
    serve_main(host, "newer")
    assert instructions.text(SOL, None) == "main of gpt-6.1-sol"
    clock.time += REFRESH_INTERVAL
    assert instructions.refresh() == []
    assert instructions.text(SOL, None) == "newer of gpt-6.1-sol"
    assert store(host, cache, clock).text(SOL, None) == "newer of gpt-6.1-sol"


def test_a_server_without_etags_gets_unconditional_requests(host: RawHost, cache: Path, clock: Clock) -> None:
    serve_main(host, "plain", etag=None)
    instructions = store(host, cache, clock)
    instructions.refresh()
    host.targets()
    serve_main(host, "plainer", etag=None)
    clock.time += REFRESH_INTERVAL
    assert instructions.refresh() == []
    assert "if-none-match" not in host.requests[0].headers
    assert instructions.text(SOL, None) == "plainer of gpt-6.1-sol"


def test_a_restart_fetches_nothing_that_is_fresh(host: RawHost, cache: Path, clock: Clock) -> None:
    store(host, cache, clock).refresh()
    host.targets()
    clock.time += REFRESH_INTERVAL - 1
    again = store(host, cache, clock)
    assert again.text(SOL, None) == "main of gpt-6.1-sol"
    assert again.text(CODEX, None) == "rust-v0.120.0 of gpt-5.1-codex"
    assert again.age() == REFRESH_INTERVAL - 1
    assert again.refresh() == []
    assert host.targets() == []


def test_tags_are_kept_forever(host: RawHost, cache: Path, clock: Clock) -> None:
    store(host, cache, clock).refresh()
    host.targets()
    clock.time += 10 * 365 * 86_400
    assert store(host, cache, clock).refresh(force=True) == []
    assert host.targets() == [f"main/{NEW_PATH}"]


def test_force_fetches_main_at_once(host: RawHost, cache: Path, clock: Clock) -> None:
    instructions = store(host, cache, clock)
    instructions.refresh()
    serve_main(host, "newer")
    assert instructions.refresh(force=True) == []
    assert instructions.text(SOL, None) == "newer of gpt-6.1-sol"


def test_a_clock_set_back_does_not_stop_the_checks(host: RawHost, cache: Path, clock: Clock) -> None:
    store(host, cache, clock).refresh()
    host.targets()
    clock.time -= 365 * 86_400
    instructions = store(host, cache, clock)
    assert instructions.age() == 0.0
    instructions.refresh()
    assert host.targets() == [f"main/{NEW_PATH}"]
    instructions.refresh()
    assert host.targets() == []


def test_the_path_that_worked_is_tried_first(host: RawHost, cache: Path, clock: Clock) -> None:
    host.answers[f"main/{OLD_PATH}"] = host.answers.pop(f"main/{NEW_PATH}")
    instructions = store(host, cache, clock)
    instructions.refresh()
    assert [target for target in host.targets() if "main/" in target] == [
        f"main/{NEW_PATH}",
        f"main/{OLD_PATH}",
    ]
    clock.time += REFRESH_INTERVAL
    store(host, cache, clock).refresh()
    assert host.targets() == [f"main/{OLD_PATH}"]


def test_a_file_that_moved_is_found_without_its_old_etag(host: RawHost, cache: Path, clock: Clock) -> None:
    host.answers[f"main/{OLD_PATH}"] = host.answers.pop(f"main/{NEW_PATH}")
    store(host, cache, clock).refresh()
    del host.answers[f"main/{OLD_PATH}"]
    serve_main(host, "moved", etag='"main-1"')
    host.targets()
    clock.time += REFRESH_INTERVAL
    instructions = store(host, cache, clock)
    assert instructions.refresh() == []
    assert host.targets() == [f"main/{OLD_PATH}", f"main/{NEW_PATH}"]
    assert instructions.text(SOL, None) == "moved of gpt-6.1-sol"


def test_another_mirror_does_not_get_the_etag_of_the_first(host: RawHost, cache: Path, clock: Clock) -> None:
    store(host, cache, clock).refresh()
    with raw_host() as mirror:
        # The same ETag for another text: sending it would keep the wrong text forever.
        serve_main(mirror, "mirror", etag='"main-1"')
        instructions = store(mirror, cache, clock)
        assert instructions.source(SOL) == "bundled"
        instructions.refresh()
        assert "if-none-match" not in mirror.requests[0].headers
        assert instructions.text(SOL, None) == "mirror of gpt-6.1-sol"
    assert store(host, cache, clock).text(SOL, None) == "main of gpt-6.1-sol"


def test_two_proxies_share_what_one_has_fetched(host: RawHost, cache: Path, clock: Clock) -> None:
    first, second = store(host, cache, clock), store(host, cache, clock)
    first.refresh()
    host.targets()
    assert second.source(SOL) == "bundled"
    assert second.refresh() == []
    assert host.targets() == []
    assert second.text(SOL, None) == "main of gpt-6.1-sol"
    assert second.text(CODEX, None) == "rust-v0.120.0 of gpt-5.1-codex"


# What goes wrong

BAD = {
    "error": Answer(b"oops", 500),
    "gone": Answer(b"404: Not Found", 404),
    "login wall": Answer(b"<!doctype html><title>Sign in</title>", headers={"Content-Type": "text/html"}),
    "wrong shape": Answer(b'{"models": {}}'),
    "no texts": Answer(b'{"models": [{"slug": "gpt-6.1-sol"}]}'),
    "cut": Answer(catalogue(*CURRENT, text="cut"), cut=100),
    "cut, length unknown": Answer(catalogue(*CURRENT, text="cut")[:100], announce=False),
    "compressed": Answer(catalogue(*CURRENT, text="zip"), headers={"Content-Encoding": "gzip"}),
    "redirect": Answer(status=302, headers={"Location": "ftp://127.0.0.1/"}),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_response_never_replaces_a_good_text(host: RawHost, cache: Path, clock: Clock, bad: Answer) -> None:
    instructions = store(host, cache, clock)
    instructions.refresh()
    kept = {file.name: file.read_bytes() for file in cache.iterdir()}
    host.answers[f"main/{NEW_PATH}"] = bad
    clock.time += REFRESH_INTERVAL
    (warning,) = instructions.refresh()
    assert "codex_catalog_url" in warning
    assert "mirror" in warning
    assert host.root in warning
    assert "\n" not in warning
    assert instructions.text(SOL, None) == "main of gpt-6.1-sol"
    assert instructions.age() == REFRESH_INTERVAL
    assert {file.name: file.read_bytes() for file in cache.iterdir()} == kept


def test_a_host_that_hangs_delays_no_request(host: RawHost, cache: Path, clock: Clock) -> None:
    instructions = InstructionStore(cache, host.root, timeout=30.0, now=clock)
    host.answers[f"main/{NEW_PATH}"] = Answer(hang=True)
    warnings: list[str] = []
    thread = threading.Thread(target=lambda: warnings.extend(instructions.refresh()))
    thread.start()
    assert host.hanging.wait(30)
    assert instructions.refresh() == []
    assert instructions.refresh(force=True) == []
    assert instructions.source(SOL) == "bundled"
    assert len(host.targets()) == 1
    assert thread.is_alive()
    host.closing.set()
    thread.join(30)
    assert not thread.is_alive()
    assert any("main" in warning for warning in warnings)


def test_a_hang_ends_with_the_timeout(host: RawHost, cache: Path, clock: Clock) -> None:
    host.answers[f"main/{NEW_PATH}"] = Answer(hang=True)
    host.answers[f"{NEWEST}/{NEW_PATH}"] = Answer(catalogue(*CURRENT, text="tag"))
    instructions = InstructionStore(cache, host.root, timeout=1.0, now=clock)
    (warning,) = instructions.refresh()
    assert "timed out" in warning
    assert instructions.source(CODEX) == "rust-v0.120.0"


def test_an_unreachable_host_gives_one_warning_and_the_bundled_text(cache: Path, clock: Clock) -> None:
    with raw_host() as gone:
        root = gone.root
    instructions = InstructionStore(cache, root, timeout=30.0, now=clock)
    (warning,) = instructions.refresh()
    assert "main" in warning
    assert all(tag in warning for tag in TAGS)
    assert {instructions.source(resolve(model.slug)) for model in models()} == {"bundled"}
    assert instructions.age() is None


def test_failures_are_retried_at_growing_intervals(host: RawHost, cache: Path, clock: Clock) -> None:
    good = host.answers[f"main/{NEW_PATH}"]
    store(host, cache, clock).refresh()
    host.answers[f"main/{NEW_PATH}"] = BAD["error"]
    clock.time += REFRESH_INTERVAL
    instructions = store(host, cache, clock)
    host.targets()
    assert len(instructions.refresh()) == 1
    for wait in (FIRST_RETRY, 120.0, 240.0, 480.0, REFRESH_INTERVAL, REFRESH_INTERVAL):
        assert len(host.targets()) == 1
        clock.time += wait - 1
        instructions.refresh()
        assert host.targets() == []
        clock.time += 1
        # The same warning is not repeated.
        assert instructions.refresh() == []
    host.answers[f"main/{NEW_PATH}"] = good
    clock.time += REFRESH_INTERVAL
    host.targets()
    assert instructions.refresh() == []
    assert len(host.targets()) == 1
    # After one success the back-off starts over.
    host.answers[f"main/{NEW_PATH}"] = BAD["error"]
    clock.time += REFRESH_INTERVAL
    instructions.refresh()
    clock.time += FIRST_RETRY
    host.targets()
    instructions.refresh()
    assert len(host.targets()) == 1


def test_a_tag_that_failed_is_fetched_again(host: RawHost, cache: Path, clock: Clock) -> None:
    path = f"rust-v0.120.0/{OLD_PATH}"
    good = host.answers.pop(path)
    instructions = store(host, cache, clock)
    (warning,) = instructions.refresh()
    assert "rust-v0.120.0" in warning
    assert instructions.source(CODEX) == "bundled"
    host.answers[path] = good
    clock.time += FIRST_RETRY
    assert instructions.refresh() == []
    assert instructions.source(CODEX) == "rust-v0.120.0"


def test_force_fetches_and_warns_despite_an_earlier_failure(host: RawHost, cache: Path, clock: Clock) -> None:
    host.answers[f"main/{NEW_PATH}"] = BAD["error"]
    host.answers[f"{NEWEST}/{NEW_PATH}"] = Answer(catalogue(*CURRENT, text="tag"))
    instructions = store(host, cache, clock)
    first = instructions.refresh()
    assert len(first) == 1
    host.targets()
    assert instructions.refresh() == []
    assert host.targets() == []
    assert instructions.refresh(force=True) == first
    assert len(host.targets()) == 1


def test_a_clock_set_back_does_not_prolong_the_wait(host: RawHost, cache: Path, clock: Clock) -> None:
    good = host.answers[f"main/{NEW_PATH}"]
    host.answers[f"main/{NEW_PATH}"] = BAD["error"]
    instructions = store(host, cache, clock)
    instructions.refresh()
    host.answers[f"main/{NEW_PATH}"] = good
    clock.time -= 365 * 86_400
    instructions.refresh()
    assert instructions.source(SOL) == "main"


@pytest.mark.parametrize(
    "url", ["", "raw.example/openai/codex", "file:///etc", "https://user:hunter2@raw.example", "https://h:x/"]
)
def test_a_bad_url_is_a_warning_that_reveals_no_secret(cache: Path, url: str) -> None:
    instructions = InstructionStore(cache, url)
    (warning,) = instructions.refresh()
    assert warning.startswith("codex_catalog_url ")
    assert "hunter2" not in warning
    assert instructions.source(SOL) == "bundled"


def test_a_damaged_cache_is_reported_and_fetched_again(host: RawHost, cache: Path, clock: Clock) -> None:
    store(host, cache, clock).refresh()
    (file,) = cache.glob("codex-transform-main-*.json")
    file.write_bytes(file.read_bytes()[:-30])
    instructions = store(host, cache, clock)
    assert instructions.source(SOL) == "bundled"
    assert instructions.source(CODEX) == "rust-v0.120.0"
    (warning,) = instructions.refresh()
    assert str(file) in warning
    assert instructions.source(SOL) == "main"
    assert store(host, cache, clock).source(SOL) == "main"


def test_a_cache_that_cannot_be_written_is_reported_once(host: RawHost, tmp_path: Path, clock: Clock) -> None:
    blocker = tmp_path / "blocker"
    blocker.touch()
    instructions = store(host, blocker / "cache", clock)
    warnings = instructions.refresh()
    assert sum("Cannot write" in warning for warning in warnings) == 1
    assert all(str(blocker) in warning for warning in warnings)
    assert instructions.text(SOL, None) == "main of gpt-6.1-sol"
    assert instructions.text(CODEX, None) == "rust-v0.120.0 of gpt-5.1-codex"
    clock.time += REFRESH_INTERVAL
    assert instructions.refresh() == []


# What a request gets


def test_the_users_file_wins_and_nothing_is_fetched(host: RawHost, cache: Path, clock: Clock) -> None:
    store(host, cache, clock).refresh()
    host.targets()
    clock.time += REFRESH_INTERVAL
    instructions = store(host, cache, clock, override="my own words")
    assert instructions.refresh() == []
    assert host.targets() == []
    for name in ("gpt-6.1-sol", "gpt-5.1-codex", "gpt-7-new", "some/thing"):
        assert instructions.text(resolve(name), "conversation") == "my own words"
        assert instructions.source(resolve(name)) == "file"


@pytest.mark.parametrize("blank", ["", " \n\t"])
def test_a_blank_file_of_the_users_is_ignored(host: RawHost, cache: Path, clock: Clock, blank: str) -> None:
    # Codex endpoints refuse a request without instructions.
    instructions = store(host, cache, clock, override=blank)
    instructions.refresh()
    assert instructions.source(SOL) == "main"


def test_a_stale_cache_is_better_than_the_bundled_text(host: RawHost, cache: Path, clock: Clock) -> None:
    store(host, cache, clock).refresh()
    host.answers.clear()
    clock.time += 30 * 86_400
    instructions = store(host, cache, clock)
    assert instructions.text(SOL, None) == "main of gpt-6.1-sol"
    instructions.refresh()
    assert instructions.text(SOL, None) == "main of gpt-6.1-sol"
    assert instructions.age() == 30 * 86_400


def test_a_conversation_keeps_its_text(host: RawHost, cache: Path, clock: Clock) -> None:
    instructions = store(host, cache, clock)
    bundled = instructions.text(SOL, "early")
    instructions.refresh()
    assert instructions.text(SOL, "begun") == "main of gpt-6.1-sol"
    serve_main(host, "newer")
    clock.time += REFRESH_INTERVAL
    instructions.refresh()
    assert instructions.text(SOL, "early") == bundled
    assert instructions.text(SOL, "begun") == "main of gpt-6.1-sol"
    assert instructions.text(SOL, "new") == "newer of gpt-6.1-sol"
    assert instructions.text(SOL, None) == "newer of gpt-6.1-sol"
    # A model that the conversation switches to later has its own text.
    assert instructions.text(resolve("gpt-6-sol"), "begun") == "newer of gpt-6-sol"


def test_the_source_of_a_conversations_text(host: RawHost, cache: Path, clock: Clock) -> None:
    instructions = store(host, cache, clock)
    instructions.text(SOL, "early")
    # Asking for the source does not begin a conversation.
    assert instructions.source(SOL, "begun") == instructions.source(SOL) == "bundled"
    instructions.refresh()
    assert instructions.source(SOL, "early") == "bundled"
    assert instructions.source(SOL, "begun") == instructions.source(SOL) == "main"
    assert instructions.source(CODEX, "early") == "rust-v0.120.0"


def test_the_most_recent_conversations_are_remembered(host: RawHost, cache: Path, clock: Clock) -> None:
    instructions = store(host, cache, clock)
    bundled = instructions.text(SOL, "kept")
    assert instructions.text(SOL, "forgotten") == bundled
    instructions.refresh()
    for number in range(MAX_KEYS - 1):
        instructions.text(SOL, str(number))
        if number == 0:
            assert instructions.text(SOL, "kept") == bundled
    assert instructions.text(SOL, "kept") == bundled
    assert instructions.text(SOL, "forgotten") == "main of gpt-6.1-sol"


@given(st.text(), st.none() | st.text())
def test_there_is_always_a_text(tmp_path_factory: pytest.TempPathFactory, name: str, conversation: str) -> None:
    instructions = InstructionStore(tmp_path_factory.getbasetemp() / "nowhere", "http://127.0.0.1:1")
    text = instructions.text(resolve(name), conversation)
    assert text.strip()
    assert instructions.text(resolve(name), conversation) == text


def test_the_bundled_text_is_plain_and_of_a_reasonable_length(tmp_path: Path) -> None:
    text = InstructionStore(tmp_path, "http://127.0.0.1:1").text(resolve("gpt-99"), None)
    assert 500 < len(text.split()) < 1000
    assert "OpenCode" not in text
    assert "AGENTS.md" in text
    assert "{{" not in text
    assert "\r" not in text


def test_the_codex_texts_that_an_endpoint_may_accept(host: RawHost, cache: Path, clock: Clock) -> None:
    """The newest, and what `main` held before its last change, even after a restart."""
    ours = store(host, cache, clock, override="my own")
    assert ours.codex_texts(SOL) == []
    fetched = store(host, cache, clock)
    fetched.refresh()
    assert fetched.codex_texts(SOL) == [("main of gpt-6.1-sol", "main")]
    serve_main(host, "changed")
    clock.time += REFRESH_INTERVAL
    fetched.refresh()
    both = [("changed of gpt-6.1-sol", "main"), ("main of gpt-6.1-sol", "previous")]
    assert fetched.codex_texts(SOL) == both
    assert store(host, cache, clock, override="my own").codex_texts(SOL) == both
    assert [source for _, source in fetched.codex_texts(CODEX)] == [CODEX.model.release if CODEX.model else ""]


# What the catalogue learns

NOVA = {"display_name": "GPT-7-Nova", **levels("low", "high", "hyper"), "default_reasoning_level": "high"}


def serve_facts(host: RawHost, facts: dict[str, dict[str, Any]], etag: str = '"facts"') -> None:
    host.answers[f"main/{NEW_PATH}"] = Answer(catalogue(*CURRENT, text="main", facts=facts), etag=etag)


def known_model(name: str) -> Model:
    model = resolve(name).model
    assert model
    return model


def test_a_model_that_main_lists_is_known_from_then_on(host: RawHost, cache: Path, clock: Clock) -> None:
    serve_facts(host, {"gpt-7-nova": NOVA})
    instructions = store(host, cache, clock)
    assert resolve("gpt-7-nova").model is None
    assert instructions.refresh() == []
    nova = known_model("openai/GPT 7 Nova High")
    assert (nova.efforts, nova.default_effort, nova.display_name) == (("low", "high"), "high", "GPT-7-Nova")
    assert (nova.release, nova.current) == (MAIN, True)
    assert instructions.text(resolve("gpt-7-nova-high"), None) == "main of gpt-7-nova"
    assert instructions.codex_texts(resolve("gpt-7-nova")) == [("main of gpt-7-nova", "main")]
    # There is no tag of that name to fetch.
    assert [target for target in host.targets() if target.startswith("main/")] == [f"main/{NEW_PATH}"]


def test_a_model_without_a_text_in_main_is_not_fetched_again(host: RawHost, cache: Path, clock: Clock) -> None:
    serve_facts(host, {"gpt-7-nova": {**NOVA, "base_instructions": ""}})
    instructions = store(host, cache, clock)
    assert instructions.refresh() == []
    assert known_model("gpt-7-nova").default_effort == "high"
    assert instructions.source(resolve("gpt-7-nova")) == "bundled"
    host.targets()
    instructions.refresh()
    assert host.targets() == []


def test_the_newest_list_replaces_the_one_before(host: RawHost, cache: Path, clock: Clock) -> None:
    serve_facts(host, {"gpt-7-nova": NOVA})
    instructions = store(host, cache, clock)
    instructions.refresh()
    serve_facts(host, {"gpt-8": levels("max")}, '"newer"')
    clock.time += REFRESH_INTERVAL
    instructions.refresh()
    assert resolve("gpt-7-nova").model is None
    assert known_model("gpt-8").default_effort == "max"


def test_what_was_learned_is_known_after_a_restart(host: RawHost, cache: Path, clock: Clock) -> None:
    serve_facts(host, {"gpt-7-nova": NOVA})
    store(host, cache, clock).refresh()
    nova = known_model("gpt-7-nova")
    catalog.learn(())
    store(host, cache, clock)
    assert known_model("gpt-7-nova") == nova
    catalog.learn(())
    learn_cached(cache, f"{host.root}/")
    assert known_model("gpt-7-nova") == nova
    catalog.learn(())
    learn_cached(cache, "https://mirror.example")
    assert resolve("gpt-7-nova").model is None


def test_nothing_is_learned_from_a_tag(host: RawHost, cache: Path, clock: Clock) -> None:
    facts = {"gpt-5.1-codex": levels("max")}
    host.answers[f"rust-v0.120.0/{OLD_PATH}"] = Answer(catalogue(text="tag", facts=facts))
    before = known_model("gpt-5.1-codex")
    assert store(host, cache, clock).refresh() == []
    assert known_model("gpt-5.1-codex") == before


def test_an_older_model_that_main_lists_again_gets_its_text_from_main(host: RawHost, cache: Path, clock: Clock) -> None:
    serve_facts(host, {"gpt-5.1-codex": levels("low", "max")})
    instructions = store(host, cache, clock)
    instructions.refresh()
    assert known_model("gpt-5.1-codex").efforts == ("low", "max")
    assert instructions.source(resolve("gpt-5.1-codex")) == "main"


def test_a_cache_without_facts_is_used_and_fetched_again(host: RawHost, cache: Path, clock: Clock) -> None:
    serve_facts(host, {"gpt-7-nova": NOVA})
    store(host, cache, clock).refresh()
    catalog.learn(())
    (file,) = cache.glob("codex-transform-main-*.json")
    old = json.loads(file.read_bytes())
    del old["facts"]
    file.write_text(json.dumps(old))
    instructions = store(host, cache, clock)
    assert instructions.text(SOL, None) == "main of gpt-6.1-sol"
    assert resolve("gpt-7-nova").model is None
    clock.time += REFRESH_INTERVAL
    host.requests.clear()
    assert instructions.refresh() == []
    assert "if-none-match" not in host.requests[0].headers
    assert known_model("gpt-7-nova")
    clock.time += REFRESH_INTERVAL
    host.requests.clear()
    instructions.refresh()
    assert host.requests[0].headers["if-none-match"] == '"facts"'
    assert known_model("gpt-7-nova")
