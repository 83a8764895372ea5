"""A real Chromium."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from support.needed import skip_or_fail
from support.running import ROOT

SCREENSHOTS = ROOT / ".cache" / "screenshots"


def chromium() -> str:
    """The browser's path; without one the test is skipped with the command that installs it, or fails in CI."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found or skip_or_fail("Chromium is not installed: apt-get install chromium")


@contextmanager
def browser() -> Iterator[Page]:
    """Yield a page of a common size. An error on the page fails the test."""
    errors: list[str] = []
    # Chromium's sandbox does not work for root.
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        page = running.new_page(viewport={"width": 1440, "height": 900})
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            yield page
        finally:
            running.close()
    assert errors == []


def screenshot(page: Page, name: str) -> Path:
    """Save a screenshot of the page, and return its path."""
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path)
    return path
