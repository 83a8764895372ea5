"""Addon: keeps the Codex instructions up to date in the background.

Fetching blocks, so it runs in a separate thread, a daemon thread, so that a server that hangs cannot keep mitmproxy
from ending. Requests never wait for it: they use the instructions that are there.
"""

import asyncio
import logging
import threading
from contextlib import suppress

from codex_transform import paths
from codex_transform.instructions.store import InstructionStore
from codex_transform.proxy.addons.config import Config

logger = logging.getLogger(__name__)

# How often the thread checks whether a refresh is due, which the instructions decide.
_INTERVAL = 60.0


class InstructionsRefresh:
    """Holds the instructions in use and the thread that refreshes them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._made_from: tuple[str, str | None] | None = None
        self._instructions: InstructionStore | None = None
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._stopped = False
        self._forced = False

    @property
    def instructions(self) -> InstructionStore:
        """The instructions for the current settings; they are made anew if the settings for their sources change.

        For mitmproxy's event loop only, so that no two are made at once.
        """
        made_from = (self.config.settings.catalog_url, self.config.override)
        if self._instructions is None or made_from != self._made_from:
            self._instructions = InstructionStore(
                paths.cache_folder(self.config.home), *made_from, values=self.config.values
            )
            self._made_from = made_from
            self._wake.set()
        return self._instructions

    def refresh_now(self) -> None:
        """Fetch everything now, in the background, whether it is due or not; the log has the outcome."""
        self._forced = True
        self._wake.set()

    def running(self) -> None:
        """Start the thread."""
        loop, first = asyncio.get_running_loop(), self.instructions
        self._thread = threading.Thread(target=self._run, args=(loop, first), name="codex-instructions", daemon=True)
        self._thread.start()

    def done(self) -> None:
        """Stop the thread when mitmproxy ends or reloads the script."""
        self._stopped = True
        self._wake.set()

    def _run(self, loop: asyncio.AbstractEventLoop, instructions: InstructionStore) -> None:
        while not self._stopped:
            self._wake.clear()
            forced, self._forced = self._forced, False
            warnings = instructions.refresh(forced)
            # mitmproxy's log handlers belong to its event loop.
            with suppress(RuntimeError):  # mitmproxy has ended
                for warning in warnings:
                    loop.call_soon_threadsafe(logger.warning, warning)
                if forced and not warnings:
                    loop.call_soon_threadsafe(logger.info, "the Codex instructions are up to date")
            self._wake.wait(_INTERVAL)
            instructions = self._instructions or instructions
