"""The instructions of each model: fetched, cached, pinned to conversations, with a fallback.

Strategy: two sides share one immutable mapping. `text` only reads it, so a request neither waits nor fails; `refresh`
runs in a background thread, fetches what is due and swaps in a new mapping. Models of the newest Codex release are read
from the branch `main`, older ones from the release tag that last listed them. A tag never changes, so it is fetched
once. A bad response never replaces a good text. What `main` says about the models besides goes to the catalogue.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from codex_transform import catalog
from codex_transform.catalog import MAIN, Resolved, models
from codex_transform.instructions import cache as instructions_cache
from codex_transform.instructions.cache import Entry
from codex_transform.instructions.fetch import FetchError, MissingError, extract, fetch, validate_root
from codex_transform.values import Values, key_of

PATHS = ("codex-rs/models-manager/models.json", "codex-rs/core/models.json")
"""The path of the catalogue in the repository of the Codex CLI: since April 2026, and before."""

REFRESH_INTERVAL = 15 * 60.0
FIRST_RETRY = 60.0
PIN_TTL = 14 * 24 * 3600.0
"""Seconds that a conversation keeps its text after its last turn."""

_PREVIOUS = "previous"


def learn_cached(folder: Path, catalog_url: str) -> None:
    """Teach the catalogue what a proxy has cached of `main`, for a command that runs without one."""
    entry = instructions_cache.peek(folder, _root(catalog_url), MAIN)
    if entry and entry.facts is not None:
        catalog.learn(entry.facts)


class _Failure(NamedTuple):
    at: float
    wait: float


class InstructionStore:
    """The store. `refresh` may run in another thread than the rest.

    `cache_dir` need not exist. `catalog_url` is the root URL of the raw files of the Codex CLI's repository: a file is
    fetched from `{root}/{ref}/{path}`. `override` is the text of the user's own file and, unless blank, the only one
    used. `values` has which conversation has which text, `timeout` and `deadline` limit each fetch, in seconds, and
    `now` is the clock. The constructor reads the disk, never the network, and never raises.
    """

    def __init__(
        self,
        cache_dir: Path,
        catalog_url: str,
        override: str | None = None,
        *,
        values: Values | None = None,
        timeout: float = 10.0,
        deadline: float = 60.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = cache_dir
        self._root = _root(catalog_url)
        self._override = override if override and override.strip() else None
        self._timeout = timeout
        self._deadline = deadline
        self._now = now
        self._fallback = files("codex_transform").joinpath("data/fallback.md").read_text("utf-8")
        self._values = values or Values(now=now)
        self._refresh_lock = threading.Lock()
        self._failures: dict[str, _Failure] = {}
        self._pending_warnings: list[str] = []
        self._reported: set[str] = set()
        self._entries: Mapping[str, Entry] = {}
        for ref in {MAIN, _PREVIOUS, *(model.release for model in models())}:
            self._load_cached(ref)

    def text(self, resolved: Resolved, conversation: str | None) -> str:
        """Return the instructions for a model, never blank. This never blocks on disk or network and never raises.

        Within one `conversation` a model keeps its first text, so that a refresh does not invalidate the endpoint's
        prompt cache; None is no conversation. The 10,000 most recent are remembered.
        """
        text, source = self._find(resolved)
        if pinned := self._pinned(resolved, conversation):
            return pinned[0]
        if keys := self.keys(resolved, conversation):
            text_key = key_of("text", text)
            if self._values.get(text_key) is None:
                self._values.update(text_key, lambda before: before or text, PIN_TTL)
            self._values.update(next(iter(keys)), lambda before: before or [text_key, source], PIN_TTL)
        return text

    def source(self, resolved: Resolved, conversation: str | None = None) -> str:
        """Return where the text of a conversation comes from: `file`, `main`, a release tag, or `bundled`.

        For a conversation that has a text, this is the source of that text; for a new one, or None, the source that
        `text` would use now.
        """
        return (self._pinned(resolved, conversation) or self._find(resolved))[1]

    def keys(self, resolved: Resolved, conversation: str | None) -> dict[str, float]:
        """Return the key of a conversation's pin with its time to live in seconds; empty if nothing is pinned."""
        if conversation is None or self._override is not None:
            return {}
        # A change of the source applies to running conversations at once.
        return {key_of("pin", self._root, conversation, resolved.slug): PIN_TTL}

    def text_keys(self, resolved: Resolved, conversation: str | None) -> dict[str, float]:
        """Return the key of a conversation's text, if only another process knows the text."""
        pin = self._pin(resolved, conversation)
        return {pin[0]: PIN_TTL} if pin and self._values.get(pin[0]) is None else {}

    def codex_texts(self, resolved: Resolved) -> list[tuple[str, str]]:
        """Return all Codex instructions for a model that are cached, each with its source, the newest first.

        `previous` is what `main` held before its last change. A user's own file and the bundled text are left out.
        """
        texts: dict[str, str] = {}
        for ref in (*self._refs_of(resolved), _PREVIOUS):
            entry = self._entries.get(ref)
            if entry and (text := entry.texts.get(resolved.slug)):
                texts.setdefault(text, ref)
        return list(texts.items())

    def age(self) -> float | None:
        """Return the seconds since the server last confirmed `main`; None if it never did."""
        entry = self._entries.get(MAIN)
        return max(0.0, self._now() - entry.checked) if entry else None

    def refresh(self, force: bool = False) -> list[str]:
        """Fetch every file that is due, and return warnings, one line each.

        `main` is due every 15 minutes, a tag until it has been fetched. After a failure the backoff is one minute,
        doubled each time up to 15 minutes. `force` fetches now, whatever the times. A warning is not repeated unless
        `force` is set. This never raises; while another call is running it returns at once.
        """
        if not self._refresh_lock.acquire(blocking=False):
            return []
        try:
            if self._override is None:
                self._refresh_due(force)
            pending = dict.fromkeys(self._pending_warnings)
            self._pending_warnings.clear()
            news = [warning for warning in pending if force or warning not in self._reported]
            self._reported.update(news)
            return news
        finally:
            self._refresh_lock.release()

    def _pinned(self, resolved: Resolved, conversation: str | None) -> tuple[str, str] | None:
        """Return the text of a conversation and its source, None if it has none yet."""
        pin = self._pin(resolved, conversation)
        text = self._values.get(pin[0]) if pin else None
        return (text, pin[1]) if pin and text is not None else None

    def _pin(self, resolved: Resolved, conversation: str | None) -> list[str] | None:
        """Return the key of a conversation's text, and its source."""
        keys = self.keys(resolved, conversation)
        pin: list[str] | None = self._values.get(next(iter(keys))) if keys else None
        return pin

    def _find(self, resolved: Resolved) -> tuple[str, str]:
        """Return the text and its source.

        A model that the catalogue does not know gets the text of `main` for exactly its name (it may be newer than
        this program), else the bundled text. The text of a model with a similar name would be a guess: it may mention
        tools and habits that the unknown model was not trained for, while the bundled text suits any model.
        """
        if self._override is not None:
            return self._override, "file"
        entries = self._entries
        for ref in self._refs_of(resolved):
            entry = entries.get(ref)
            if entry and (text := entry.texts.get(resolved.slug)):
                return text, ref
        return self._fallback, "bundled"

    def _refs_of(self, resolved: Resolved) -> tuple[str, ...]:
        """Return where the text of a model may be, the best first."""
        model = resolved.model
        if model is None:
            return (MAIN,)
        refs = (MAIN, model.release) if model.current else (model.release, MAIN)
        return tuple(dict.fromkeys(refs))

    def _refresh_due(self, force: bool) -> None:
        if problem := validate_root(self._root):
            self._pending_warnings.append(f"codex_catalog_url {problem}: no Codex instructions can be fetched.")
            return
        reasons: dict[str, list[str]] = {}
        for ref in self._refs():
            if not self._due(ref, force):
                continue
            try:
                entry = self._fetch_ref(ref)
            except FetchError as error:
                last = self._failures.get(ref)
                wait = min(2 * last.wait, REFRESH_INTERVAL) if last else FIRST_RETRY
                self._failures[ref] = _Failure(self._now(), wait)
                reasons.setdefault(str(error), []).append(ref)
            else:
                self._failures.pop(ref, None)
                self._keep_previous(entry)
                self._put(entry)
                instructions_cache.save(self._folder, entry, self._pending_warnings.append)
        self._pending_warnings += (
            f"Codex instructions ({', '.join(refs)}) not fetched from {self._root}: {reason}. "
            "Cached or bundled ones are used meanwhile. "
            "Fix: set codex_catalog_url to a mirror of it, if that host cannot be reached from here."
            for reason, refs in reasons.items()
        )

    def _refs(self) -> Iterator[str]:
        """Yield the refs to fetch.

        What comes after `main` depends on its content: a current model that it lacks is looked up under its last known
        tag.
        """
        yield MAIN
        main = self._entries.get(MAIN)
        listed: Mapping[str, str] = main.texts if main else {}
        older = {model.release for model in models() if not model.current or model.slug not in listed}
        yield from sorted(older - {MAIN})

    def _due(self, ref: str, force: bool) -> bool:
        if ref != MAIN and ref in self._entries:
            return False
        if force:
            return True
        failure = self._failures.get(ref)
        if (failure and self._within(failure.at, failure.wait)) or self._fresh(ref):
            return False
        # Another proxy with the same folder may have fetched it since.
        self._load_cached(ref)
        return not self._fresh(ref)

    def _fresh(self, ref: str) -> bool:
        entry = self._entries.get(ref)
        return entry is not None and (ref != MAIN or self._within(entry.checked, REFRESH_INTERVAL))

    def _within(self, since: float, period: float) -> bool:
        # A time in the future was written before the clock was set back, and means nothing.
        return 0 <= self._now() - since < period

    def _fetch_ref(self, ref: str) -> Entry:
        """Fetch the current file of `ref`. Raises FetchError."""
        cached = self._entries.get(ref)
        # The path that worked last time goes first, and its ETag is valid for it alone.
        for path in sorted(PATHS, key=lambda path: cached is None or path != cached.path):
            # Without facts the file is wanted even if it has not changed: the release that cached it kept none.
            etag = cached.etag if cached and path == cached.path and cached.facts is not None else None
            url = f"{self._root}/{ref}/{path}"
            try:
                fetched = fetch(url, etag, timeout=self._timeout, deadline=self._deadline)
            except MissingError:
                continue
            if fetched is None and cached:
                return cached._replace(checked=self._now())
            if fetched:
                extracted = extract(fetched.body)
                return Entry(
                    root=self._root,
                    ref=ref,
                    path=path,
                    etag=fetched.etag,
                    checked=self._now(),
                    texts=extracted.texts,
                    facts=extracted.facts,
                )
        raise FetchError("there is no such file (HTTP 404)")

    def _load_cached(self, ref: str) -> None:
        ours = self._entries.get(ref)
        theirs = instructions_cache.load(self._folder, self._root, ref, self._pending_warnings.append)
        if theirs and (ours is None or theirs.checked > ours.checked):
            self._put(theirs)

    def _keep_previous(self, entry: Entry) -> None:
        """Keep what `main` held before it changes: an endpoint may accept that alone."""
        before = self._entries.get(MAIN)
        if entry.ref == MAIN and before and before.texts != entry.texts:
            previous = before._replace(ref=_PREVIOUS)
            self._put(previous)
            instructions_cache.save(self._folder, previous, self._pending_warnings.append)

    def _put(self, entry: Entry) -> None:
        self._entries = {**self._entries, entry.ref: entry}
        if entry.ref == MAIN and entry.facts is not None:
            catalog.learn(entry.facts)


def _root(catalog_url: str) -> str:
    return catalog_url.rstrip("/")
