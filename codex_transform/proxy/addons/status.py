"""Addon: the facts about this proxy, for `codex.status`, and for `codex-transform status` on a listener of its own.

That listener is on loopback, on a port that the kernel chose, and wants a token, which a private file of the user has.
Without such a file (a home that cannot be written to) there is no listener, and the proxy serves all the same.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mitmproxy import ctx
from mitmproxy.utils import human

from codex_transform import __version__, paths
from codex_transform.concurrency import run_in_thread
from codex_transform.endpoint.pool import Target
from codex_transform.endpoint.url import Endpoint
from codex_transform.jsonio import to_plain
from codex_transform.proxy import readiness
from codex_transform.proxy.addons.call_recorder import CallRecorder
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.drain import Drain
from codex_transform.proxy.addons.people import People
from codex_transform.proxy.admin_listener import AdminListener, Page, json_page
from codex_transform.proxy.call import get_call
from codex_transform.proxy.refusals import Refusals
from codex_transform.status import announcement
from codex_transform.status.facts import CallFacts, EndpointFacts, PersonFacts, ProxyFacts
from codex_transform.usage.record import Record

if TYPE_CHECKING:
    from codex_transform.people.person import Person

logger = logging.getLogger(__name__)

RECENT = 5
"""How many finished calls are remembered."""

_STARTED = time.monotonic()  # of the program: a reload of the script is no start


class Status:
    """Knows what there is to know of this proxy."""

    def __init__(
        self, config: Config, drain: Drain, people: People, recorder: CallRecorder, refusals: Refusals
    ) -> None:
        self.config = config
        self.drain = drain
        self.people = people
        self.refusals = refusals
        self._recent: deque[Record] = deque(maxlen=RECENT)
        self._listener: AdminListener | None = None
        self._starting: asyncio.Task[None] | None = None
        self._file: Path | None = None
        recorder.subscribe(self._on_call)

    def running(self) -> None:
        """Begin to answer: mitmproxy is up. One that only reads a file has nothing to say."""
        if ctx.options.server and self.config.home != paths.NO_HOME:
            self._starting = asyncio.get_running_loop().create_task(self._start())

    def done(self) -> None:
        """Answer no more: mitmproxy ends, or reloads the script."""
        if self._listener:
            self._listener.close()
            self._listener = None
        if self._file:
            with suppress(OSError):
                self._file.unlink()
            self._file = None

    def facts(self) -> ProxyFacts:
        """Return what holds at this moment."""
        config = self.config
        config.refresh()
        calls = [get_call(flow) for flow in self.drain.live_calls()]
        endpoint, forward = config.endpoint, config.settings.forward_client_key
        key = config.settings.api_key.value if config.settings.api_key and not forward else ""
        alone = (Target("", endpoint, key),) if endpoint and (key or forward) else ()
        return ProxyFacts(
            version=__version__,
            pid=os.getpid(),
            uptime=time.monotonic() - _STARTED,
            addresses=tuple(_addresses()),
            draining=self.drain.draining,
            streams=sum(call is not None and call.streaming for call in calls),
            calls=len(calls),
            problems=tuple(
                reason.message
                for reason in readiness.reasons(config.settings, config.problems, draining=False, down=False)
            ),
            endpoints=tuple(self._endpoint(target) for target in config.targets or alone),
            people=tuple(self._person(person) for person in config.people.people),
            refused={str(reason): number for reason, number in self.refusals.counts.items()},
            recent=tuple(map(_call, reversed(self._recent))),
        )

    async def _start(self) -> None:
        token = secrets.token_urlsafe(32)
        listener = self._listener = AdminListener(announcement.HOST, 0, {announcement.PATH: self._page}, token=token)
        try:
            where = await listener.start()
            if where is None:
                return
            port, folder = int(where.rpartition(":")[2]), paths.proxies_folder(self.config.home)
            file = await asyncio.wrap_future(run_in_thread(lambda: announcement.announce(folder, port, token)))
        except OSError as error:
            logger.info("`codex-transform status` does not find this proxy: %s", error)
            listener.close()
            return
        self._file = file
        if self._listener is not listener:  # it has ended meanwhile
            self.done()

    async def _page(self) -> Page:
        config, limiter = self.config, self.people.limiter
        names = (person.name for person in config.people.people)
        # What other proxies have learnt and counted since the last call came here.
        await config.values.refresh(limiter.keys(names) | config.pool.keys(config.targets, None))
        return json_page(200, to_plain(self.facts()))

    def _on_call(self, record: Record, _endpoint: Endpoint | None) -> None:
        if record.is_call:
            self._recent.append(record)

    def _endpoint(self, target: Target) -> EndpointFacts:
        pool = self.config.pool
        state = pool.state(target)
        return EndpointFacts(
            name=target.name,
            url=target.endpoint.url,
            models=target.models,
            weight=target.weight,
            priority=target.priority,
            state=state.name,
            takes_calls=state.takes_calls,
            seconds=state.seconds,
            reason=state.reason,
            limits=pool.limits(target),
            limits_age=pool.limits_age(target),
        )

    def _person(self, person: Person) -> PersonFacts:
        requests, today, month = self.people.limiter.used(person.name)
        return PersonFacts(
            name=person.name,
            requests=requests,
            tokens_today=today,
            tokens_this_month=month,
            models=person.models,
            requests_per_minute=person.requests_per_minute,
            tokens_per_day=person.tokens_per_day,
            tokens_per_month=person.tokens_per_month,
        )


def _call(record: Record) -> CallFacts:
    return CallFacts(
        age=max(0.0, time.time() - record.at - (record.total or 0)),
        person=record.person,
        model=record.model or record.asked,
        endpoint=record.endpoint,
        reason=record.reason,
        status=record.status,
        outcome=record.outcome,
        error=record.error,
        attempts=tuple(f"{attempt.done} ({attempt.refused})" for attempt in record.attempts),
    )


def _addresses() -> list[str]:
    """Return where clients reach this proxy."""
    server = ctx.master.addons.get("proxyserver")
    return [human.format_address(address) for address in server.listen_addrs()] if server else []
