"""Which instructions a model gets: the store that fetches, keeps, pins and falls back.

Strategy: two sides that share one immutable mapping. `text` only ever looks at it, so a request neither
waits nor fails; `refresh` runs in a background thread, asks for what is due and swaps in a new mapping.
Models of the newest Codex release are read from the branch `main`, older ones from the release tag that
last listed them. A tag never changes, so it is asked for until it is had and never again. A bad answer
never replaces a good text.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from codex_transform.catalog import Resolved, models
from codex_transform.instructions import cache as instructions_cache
from codex_transform.instructions.cache import Entry
from codex_transform.instructions.fetch import FetchError, MissingError, extract_instructions, fetch, validate_root

PATHS = ("codex-rs/models-manager/models.json", "codex-rs/core/models.json")
"""Where the catalogue lies in the repository of the Codex CLI: since April 2026, and before."""

CHECK_EVERY = 15 * 60.0
FIRST_RETRY = 60.0
MAX_PINS = 10_000

_MAIN = "main"


class _Failure(NamedTuple):
    at: float
    wait: float


class InstructionStore:
    """The store. `text`, `source` and `age` may be called from any thread, while `refresh` runs in another.

    `cache_dir` need not exist. `catalog_url` is the root under which the raw files of the Codex CLI's
    repository lie: a file is asked for as `{root}/{ref}/{path}`. `override` is the text of the user's own
    file and, unless blank, the only one used. `timeout` and `deadline` bound each fetch, in seconds; `now` is
    the clock. Making one reads the disk, never the network, and raises nothing.
    """

    def __init__(
        self,
        cache_dir: Path,
        catalog_url: str,
        override: str | None = None,
        *,
        timeout: float = 10.0,
        deadline: float = 60.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = cache_dir
        self._root = catalog_url.rstrip("/")
        self._override = override if override and override.strip() else None
        self._timeout = timeout
        self._deadline = deadline
        self._now = now
        self._fallback = files("codex_transform").joinpath("data/fallback.md").read_text("utf-8")
        self._pins: OrderedDict[tuple[str, str], tuple[str, str]] = OrderedDict()
        self._pinning = threading.Lock()
        self._refreshing = threading.Lock()
        self._failures: dict[str, _Failure] = {}
        self._unsaid: list[str] = []
        self._said: set[str] = set()
        self._entries: Mapping[str, Entry] = {}
        for ref in {_MAIN, *(model.release for model in models())}:
            self._adopt_cached(ref)

    def text(self, resolved: Resolved, conversation: str | None) -> str:
        """Return the instructions for a model, never blank. Never blocks on disk or network, never fails.

        Within one `conversation` a model keeps the text it got first, so that a refresh does not undo the
        endpoint's prompt cache; None is no conversation. The most recent 10,000 are remembered.
        """
        if conversation is None:
            return self._find(resolved)[0]
        key = (conversation, resolved.slug)
        with self._pinning:
            pinned = self._pins.get(key)
            if pinned is None:
                pinned = self._pins[key] = self._find(resolved)
                if len(self._pins) > MAX_PINS:
                    self._pins.popitem(last=False)
            self._pins.move_to_end(key)
            return pinned[0]

    def source(self, resolved: Resolved, conversation: str | None = None) -> str:
        """Where the text of a conversation comes from: `file`, `main`, a release tag, or `bundled`.

        Of one that got its text before a refresh this is what that text came from; of a new one, or None, where `text`
        would find it now.
        """
        with self._pinning:
            pinned = self._pins.get((conversation, resolved.slug)) if conversation is not None else None
        return (pinned or self._find(resolved))[1]

    def age(self) -> float | None:
        """Seconds since the server last vouched for `main`; None if it never did."""
        entry = self._entries.get(_MAIN)
        return max(0.0, self._now() - entry.checked) if entry else None

    def refresh(self, force: bool = False) -> list[str]:
        """Ask for every file that is due: `main` each 15 minutes, a tag until it is had.

        What failed is left alone for a minute, then for twice as long each time, up to 15 minutes. `force`
        asks now, whatever the times say. Returns warnings, one line each; one that was said before is not
        repeated unless `force` is set. Raises nothing; while another call is at work this one returns at
        once.
        """
        if not self._refreshing.acquire(blocking=False):
            return []
        try:
            if self._override is None:
                self._round(force)
            unsaid = dict.fromkeys(self._unsaid)
            self._unsaid.clear()
            news = [warning for warning in unsaid if force or warning not in self._said]
            self._said.update(news)
            return news
        finally:
            self._refreshing.release()

    def _find(self, resolved: Resolved) -> tuple[str, str]:
        """Return the text and its source.

        A model that the catalogue does not know gets what `main` holds for its very name (it may be newer
        than this program), else the bundled text. The text of a model with a similar name would be a guess:
        it may promise tools and habits that the unknown one was not trained for, and the bundled text suits
        any model.
        """
        if self._override is not None:
            return self._override, "file"
        entries, model = self._entries, resolved.model
        if model is None:
            refs: tuple[str, ...] = (_MAIN,)
        elif model.current:
            refs = (_MAIN, model.release)
        else:
            refs = (model.release, _MAIN)
        for ref in refs:
            entry = entries.get(ref)
            if entry and (text := entry.texts.get(resolved.slug)):
                return text, ref
        return self._fallback, "bundled"

    def _round(self, force: bool) -> None:
        if problem := validate_root(self._root):
            self._unsaid.append(f"codex_catalog_url {problem}: no Codex instructions can be fetched.")
            return
        reasons: dict[str, list[str]] = {}
        for ref in self._wanted():
            if not self._due(ref, force):
                continue
            try:
                entry = self._ask(ref)
            except FetchError as error:
                last = self._failures.get(ref)
                wait = min(2 * last.wait, CHECK_EVERY) if last else FIRST_RETRY
                self._failures[ref] = _Failure(self._now(), wait)
                reasons.setdefault(str(error), []).append(ref)
            else:
                self._failures.pop(ref, None)
                self._adopt(entry)
                instructions_cache.save(self._folder, entry, self._unsaid.append)
        self._unsaid += (
            f"Codex instructions ({', '.join(refs)}) not fetched from {self._root}: {reason}. "
            "Cached or bundled ones are used meanwhile; "
            "if that host does not answer here, set codex_catalog_url to a mirror of it."
            for reason, refs in reasons.items()
        )

    def _wanted(self) -> Iterator[str]:
        """Yield the refs to ask for.

        What comes after `main` depends on what that held: a current model that it lacks is looked for under
        its last known tag.
        """
        yield _MAIN
        main = self._entries.get(_MAIN)
        listed: Mapping[str, str] = main.texts if main else {}
        yield from sorted({model.release for model in models() if not model.current or model.slug not in listed})

    def _due(self, ref: str, force: bool) -> bool:
        if ref != _MAIN and ref in self._entries:
            return False
        if force:
            return True
        failure = self._failures.get(ref)
        if (failure and self._within(failure.at, failure.wait)) or self._fresh(ref):
            return False
        # Another proxy that shares the folder may have asked since.
        self._adopt_cached(ref)
        return not self._fresh(ref)

    def _fresh(self, ref: str) -> bool:
        entry = self._entries.get(ref)
        return entry is not None and (ref != _MAIN or self._within(entry.checked, CHECK_EVERY))

    def _within(self, since: float, period: float) -> bool:
        # A time in the future was written before the clock was set back, and says nothing.
        return 0 <= self._now() - since < period

    def _ask(self, ref: str) -> Entry:
        """Return the file of `ref` as the server has it now. Raises FetchError."""
        had = self._entries.get(ref)
        # The path that worked last time goes first, and only it may be asked with its ETag.
        for path in sorted(PATHS, key=lambda path: had is None or path != had.path):
            etag = had.etag if had and path == had.path else None
            url = f"{self._root}/{ref}/{path}"
            try:
                fetched = fetch(url, etag, timeout=self._timeout, deadline=self._deadline)
            except MissingError:
                continue
            if fetched is None and had:
                return had.model_copy(update={"checked": self._now()})
            if fetched:
                return Entry(
                    root=self._root,
                    ref=ref,
                    path=path,
                    etag=fetched.etag,
                    checked=self._now(),
                    texts=extract_instructions(fetched.body),
                )
        raise FetchError("the file is not there (HTTP 404)")

    def _adopt_cached(self, ref: str) -> None:
        ours = self._entries.get(ref)
        theirs = instructions_cache.load(self._folder, self._root, ref, self._unsaid.append)
        if theirs and (ours is None or theirs.checked > ours.checked):
            self._adopt(theirs)

    def _adopt(self, entry: Entry) -> None:
        self._entries = {**self._entries, entry.ref: entry}
