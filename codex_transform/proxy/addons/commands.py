"""Addon: mitmproxy commands, for the command bars of the console and of mitmweb (POST /commands/NAME there).

Each returns its answer as the console shows it. mitmweb shows answers in one line, so tables also go to the log, which
mitmweb shows as its event log. Figures are of the last 30 days unless a command is given another number.
"""

import logging
import time
from collections.abc import Sequence
from typing import Any, cast

from mitmproxy import ctx, exceptions, flow, http
from mitmproxy.addonmanager import Loader
from mitmproxy.types import Data

from codex_transform.catalog import models, resolve
from codex_transform.proxy.addons.body_retention import ORIGINAL_REQUEST
from codex_transform.proxy.addons.call_recorder import CallRecorder
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.instructions_refresh import InstructionsRefresh
from codex_transform.proxy.addons.status import Status
from codex_transform.redaction import Secret, redact
from codex_transform.settings.options import OPTIONS
from codex_transform.status.rows import status_rows
from codex_transform.text import format_duration, format_latency, format_percent, format_table, format_tokens
from codex_transform.usage.store import Usage, UsageStore

logger = logging.getLogger(__name__)

DAYS = 30
SESSIONS = 20
"""How many conversations `codex.usage` lists."""

# The console gives each of these five letters' room in a terminal of 100. `cache` is the part of `in` that came out of
# it, `miss` what it could have held besides, in tokens; `heal` are calls that were answered after the endpoint had
# refused them; `p50` and `p95` are times to the first token.
_COLUMNS = ("calls", "fail", "heal", "in", "cache", "miss", "out", "p50", "p95")


class Commands:
    """The commands of the running addon."""

    def __init__(
        self, config: Config, refresh: InstructionsRefresh, notes: CallRecorder, store: UsageStore, status: Status
    ) -> None:
        self.config = config
        self.refresh = refresh
        self.notes = notes
        self.store = store
        self._status = status

    def load(self, loader: Loader) -> None:
        """Declare the commands."""
        loader.add_command("codex.usage", self.usage)
        loader.add_command("codex.usage.days", self.usage_days)
        loader.add_command("codex.usage.misses", self.usage_misses)
        loader.add_command("codex.status", self.status)
        loader.add_command("codex.refresh", self.refresh_now)
        loader.add_command("codex.original", self.original)
        loader.add_command("codex.replay.original", self.replay_original)

    def usage(self, days: int = DAYS) -> Data:
        """Return the usage of the last days (30): by model, by client, by conversation (the last 20), and in total.

        `heal` are calls that were answered after the endpoint had refused them, `cache` is the part of what was read
        that came out of the endpoint's cache, `miss` the tokens that it could have held and did not; p50 and p95 are
        times to the first token.
        """
        since = _days_ago(days)
        named = [
            *(("model", usage) for usage in self.store.by_model(since)),
            *(("client", usage) for usage in self.store.by_person(since) if usage.name != "none"),
            *(("conversation", usage) for usage in self.store.by_session(since)[:SESSIONS]),
            *(("", usage) for usage in [self.store.total(since)] if usage),
        ]
        return _table("", _COLUMNS, [_row(usage, kind) for kind, usage in named])

    def usage_days(self, days: int = DAYS) -> Data:
        """Return the usage of each of the last days (30)."""
        return _table("day", _COLUMNS, [_row(usage) for usage in self.store.by_day(_days_ago(days))])

    def usage_misses(self, days: int = DAYS) -> Data:
        """Return what missing the endpoint's prompt cache has cost in the last days (30), in tokens, by cause."""
        misses = self.store.misses(_days_ago(days))
        total = sum(miss.missed for miss in misses)
        rows = [
            [miss.cause, str(miss.requests), format_tokens(miss.missed), format_percent(miss.missed / total)]
            for miss in misses
        ]
        return _table("cause", ("calls", "missed", "share"), rows)

    def status(self) -> Data:
        """Return what `codex-transform status` shows, instructions, the last error, and settings with their sources."""
        return _table(
            "",
            ("",),
            [
                *(list(row) for row in status_rows(self._status.facts())),
                ["instructions", self._instructions()],
                ["catalogue", self._catalogue()],
                ["last error", self._last_error()],
                *([option.option, self._setting(option.field)] for option in OPTIONS),
            ],
        )

    def refresh_now(self) -> str:
        """Fetch the Codex instructions now, in the background; the log has the outcome."""
        self.refresh.refresh_now()
        return f"Fetching from {self.config.settings.catalog_url}: the log will say what came of it."

    def original(self, flow: flow.Flow) -> Sequence[str]:
        """Return the request of a flow as the client sent it."""
        original = _original(flow)
        head = [f"{original['method']} {original['url']}", *(f"{name}: {value}" for name, value in original["headers"])]
        return [*head, "", *original["content"].decode("utf-8", "replace").splitlines()]

    def replay_original(self, flow: flow.Flow) -> None:
        """Send a copy of a flow once more, with the request as the client sent it."""
        original = _original(flow)
        again = flow.copy()
        again.comment = again.marked = ""
        again.request = http.Request.make(
            original["method"],
            original["url"],
            original["content"],
            [(name.encode(), value.encode()) for name, value in original["headers"]],
        )
        ctx.master.commands.call("replay.client", [again])

    def _setting(self, field: str) -> str:
        value: Any = getattr(self.config.settings, field)
        if isinstance(value, Secret):
            value = redact(value.value)
        elif isinstance(value, bool):
            value = "on" if value else "off"
        elif isinstance(value, tuple):
            value = ", ".join(value)
        return f"{'not set' if value is None else value} ({self.config.sources.get(field, 'default')})"

    def _instructions(self) -> str:
        """Return the sources of the instructions, and the number of models for each."""
        sources = [self.refresh.instructions.source(resolve(model.slug)) for model in models()]
        return ", ".join(f"{source} ({sources.count(source)} models)" for source in dict.fromkeys(sources))

    def _catalogue(self) -> str:
        age = self.refresh.instructions.age()
        checked = "never fetched" if age is None else f"checked {format_duration(age)} ago"
        return f"{self.config.settings.catalog_url}: {checked}"

    def _last_error(self) -> str:
        last = self.notes.last_error
        if last is None:
            return "none"
        ago, model = format_duration(time.time() - last.at), last.model or last.asked or "no model"
        return f"{ago} ago, {model}: {last.status} {last.error}"


def _days_ago(days: int) -> float:
    return time.time() - days * 86400


def _row(usage: Usage, kind: str = "") -> list[str]:
    tokens = usage.tokens
    return [
        f"{kind} {usage.name}".lstrip(),
        str(usage.requests),
        str(usage.errors),
        str(usage.repaired),
        format_tokens(tokens.input),
        format_percent(tokens.cached_share),
        format_tokens(usage.missed),
        format_tokens(tokens.output),
        _waited(usage.first_token_p50),
        _waited(usage.first_token_p95),
    ]


def _waited(duration: float | None) -> str:
    return "" if duration is None else format_latency(duration)


def _table(name: str, columns: Sequence[str], rows: Sequence[list[str]]) -> Data:
    """Return a table as the console shows it, and write it to the log too."""
    head = [name, *columns]
    # Some cells hold text from clients.
    plain = [["".join(char if char.isprintable() else "�" for char in cell) for cell in cells] for cells in rows]
    logger.info("\n%s", "\n".join(format_table(head, plain, range(1, len(head)) if len(head) > 2 else ())))
    return cast(Data, [head, *plain])


def _original(flow: flow.Flow) -> dict[str, Any]:
    """Return the client's request. Raises CommandError, with the reason, if the flow does not have it."""
    if not isinstance(flow, http.HTTPFlow):
        raise exceptions.CommandError("This flow is not an HTTP request.")
    original = flow.metadata.get(ORIGINAL_REQUEST)
    if not isinstance(original, dict) or "content" not in original:
        raise exceptions.CommandError(
            "The original of this request is not kept: codex-transform did not handle the request, or it was dropped "
            "to make room for newer ones (codex_keep_mb)."
        )
    return original
