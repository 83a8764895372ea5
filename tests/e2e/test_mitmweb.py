"""mitmweb as a new user sees it: a real one with the addon, in a real Chromium."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import version
from playwright.sync_api import Page, expect
from support.browser import browser, screenshot
from support.mitmweb import Api, mitmweb
from support.running import OPENCODE_AGENT, ROOT, OpenCode, Proxy
from support.sdk import client

from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate

PICTURE = ROOT / "tests" / "e2e" / "mitmweb.png"
"""The README's picture of mitmweb; `CODEX_SCREENSHOT=1 pytest tests/e2e/test_mitmweb.py` makes it anew."""

TOOL = {
    "type": "function",
    "name": "bash",
    "description": "Runs a command.",
    "parameters": {"type": "object", "properties": {"command": {"type": "string"}}},
}
HELLO: dict[str, Any] = {
    "model": "gpt-5.1-codex-high",
    "input": "What does this proxy do?",
    "stream": True,
    "prompt_cache_key": "conversation",
    "temperature": 1,
    "tools": [TOOL],
}


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, shared_sandbox: Sandbox) -> Iterator[tuple[Proxy, str]]:
    with mitmweb(tmp_path_factory.mktemp("web") / "home", shared_sandbox) as both:
        yield both


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Iterator[Sandbox]:
    """The module's endpoint, without the requests of the test before."""
    shared_sandbox.forget()
    yield shared_sandbox
    shared_sandbox.behave()


@pytest.fixture
def web(running: tuple[Proxy, str], page: Page) -> Iterator[Proxy]:
    """A mitmweb without flows, whose page is open in the browser."""
    proxy, url = running
    Api(url).run("view.clear")
    page.goto(url)
    yield proxy
    page.goto("about:blank")


def rows(page: Page) -> Any:
    """Return the rows of the table of flows."""
    return page.locator(".flow-table tbody tr", has=page.locator(".col-comment"))


def comment(page: Page, row: int) -> Any:
    return rows(page).nth(row).locator(".col-comment")


def look(page: Page, part: str) -> Any:
    """Open a tab of the selected flow, and return what the content view shows."""
    page.locator(".flow-detail, .nav-tabs").get_by_text(part, exact=True).first.click()
    return page.locator(".contentview")


def test_the_table_shows_comments(web: Proxy, sandbox: Sandbox, page: Page) -> None:
    assert web.send(HELLO, user_agent=OPENCODE_AGENT)[0] == 200
    expect(comment(page, 0)).to_have_text(
        re.compile(r"^gpt-5\.1-codex high · [\d.]+k in \(0% cached\) · \d+ out · [\d.]+ s → [\d.]+ s$")
    )
    assert web.send({**HELLO, "stream": False}, user_agent=OPENCODE_AGENT)[0] == 200
    expect(comment(page, 1)).to_have_text(re.compile(r"\(9\d% cached\)"))
    for fault, status in (("plain-500", 500), ("rate-limit", 429), ("no-sequence-number", 200), ("cut", 200)):
        sandbox.misbehave(fault, times=1)
        assert web.send(HELLO, user_agent=OPENCODE_AGENT)[0] == status
    expect(comment(page, 2)).to_have_text(re.compile("^✖ .* 500 server_error: Internal Server Error$"))
    expect(comment(page, 3)).to_have_text(re.compile("^⚠ .* 429 rate_limit_exceeded: Rate limit reached"))
    expect(comment(page, 4)).to_have_text(re.compile("^✏ .* repaired: sequence_number$"))
    expect(comment(page, 5)).to_have_text(re.compile("^✖ .* cut off: "))
    screenshot(page, "table")


def test_the_table_can_be_searched_and_sorted(web: Proxy, sandbox: Sandbox, page: Page) -> None:
    web.send(HELLO)
    sandbox.misbehave("rate-limit", times=1)
    web.send(HELLO)
    sandbox.misbehave("incomplete", times=1)
    web.send(HELLO)
    expect(rows(page)).to_have_count(3)
    search = page.get_by_placeholder("Search")
    # mitmweb 11 expects the glyph, 12 the name.
    limited = "⚠" if version.VERSION.startswith("11") else "warning"
    for words, found in (
        ("~comment rate_limit", 1),
        ("~comment gpt-5.1-codex", 3),
        ("~marked", 2),
        (f"~marker {limited}", 1),
        ("~comment ⚠", 1),
        ("~comment ✂", 1),
        ("! ~marked", 1),
    ):
        search.fill(words)
        expect(rows(page), words).to_have_count(found)
    search.fill("")
    expect(rows(page)).to_have_count(3)
    page.locator("th.col-comment").click()
    expect(comment(page, 0)).to_have_text(re.compile("^gpt"))
    page.locator("th.col-comment").click()
    expect(comment(page, 2)).to_have_text(re.compile("^gpt"))
    page.locator("th.col-comment").click()


def test_a_call_in_progress_is_shown(web: Proxy, sandbox: Sandbox, page: Page) -> None:
    sandbox.misbehave("hang", times=1)
    with client(web) as sdk, sdk.responses.create(model="gpt-5.1-codex", input="hi", stream=True) as stream:
        next(iter(stream))
        expect(comment(page, 0)).to_have_text("gpt-5.1-codex · …")
    expect(comment(page, 0)).to_have_text(re.compile("^↩ gpt-5.1-codex · .* · client left$"))


def test_other_flows_show_their_request(web: Proxy, page: Page) -> None:
    web.send(b"", path="/v1/responses", method="GET", upgrade="websocket", connection="Upgrade")
    expect(comment(page, 0)).to_have_text("GET http://api.openai.com/v1/responses")


def test_an_opened_flow_shows_the_content_view(web: Proxy, sandbox: Sandbox, page: Page) -> None:
    assert web.send(HELLO)[0] == 200
    for fault in ("rate-limit", "no-sequence-number", "slow"):
        sandbox.misbehave(fault, times=1)
        web.send({**HELLO, "input": "And what does it cost?"})
    comment(page, 3).click()
    answer = look(page, "Response")
    expect(answer).to_contain_text("Codex")
    expect(answer).to_contain_text("gpt-5.1-codex-high → gpt-5.1-codex")
    expect(answer).to_contain_text("[sandbox]")
    expect(answer).to_contain_text("cached")
    picture = screenshot(page, "response")
    if os.environ.get("CODEX_SCREENSHOT") or not PICTURE.exists():
        shutil.copy(picture, PICTURE)
    asked = look(page, "Request")
    expect(asked).to_contain_text("gpt-5.1-codex-high → gpt-5.1-codex")
    expect(asked).to_contain_text(re.compile(r"Asked +user: And what does it cost\?"))
    expect(asked).to_contain_text("temperature")
    expect(asked).to_contain_text("bash")
    screenshot(page, "request")


def test_the_screenshot_file_is_small() -> None:
    assert 10_000 < PICTURE.stat().st_size < 150_000


def test_calls_of_opencode_are_shown(
    web: Proxy, sandbox: Sandbox, page: Page, opencode: Callable[..., OpenCode]
) -> None:
    done = opencode().through(web, "run", "-m", "openai/gpt-5.3-codex", "say hello")
    assert "[sandbox]" in done.stdout, done.stdout + done.stderr
    expect(rows(page)).to_have_count(len(sandbox.requests))
    talk = rows(page).filter(has_text=re.compile(r"gpt-5\.3-codex medium · [\d.]+k in .* out"))
    expect(talk.first).to_be_visible()
    talk.first.click()
    expect(look(page, "Response")).to_contain_text("[sandbox]")
    screenshot(page, "opencode")


def test_columns_that_the_user_has_chosen_stay(tmp_path: Path, sandbox: Sandbox, page: Page) -> None:
    """Without one for comments, a marker stands next to the path."""
    with mitmweb(tmp_path / "home", sandbox, "--set", "web_columns=path", "--set", "web_columns=size") as (proxy, url):
        page.goto(url)
        sandbox.misbehave("plain-500", times=1)
        assert proxy.send(HELLO)[0] == 500
        expect(page.locator("th.col-path")).to_be_visible()
        expect(page.locator("th.col-comment")).to_have_count(0)
        expect(page.locator(".col-path .marker")).to_have_text("✖")
        page.goto("about:blank")
