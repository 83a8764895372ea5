"""Run every check, side by side, and yield the results in one order.

A check that raises becomes a result with its name, and so does one that has not ended when time is up: whatever is
wrong with a machine, there are no tracebacks and no endless waits.
"""

import time
from collections.abc import Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import NamedTuple

from codex_transform import concurrency
from codex_transform.doctor import (
    certificate,
    client,
    endpoint,
    instructions,
    opencode_server,
    programs,
    settings_file,
    terminal,
)
from codex_transform.doctor.result import Check, DoctorContext, Result, failure

_TIMEOUT = 20.0


class Group(NamedTuple):
    """Checks on one subject, in the order in which they are shown."""

    title: str
    checks: tuple[Check, ...]


GROUPS = (
    Group("Programs", (programs.python, programs.mitmproxy, programs.patches, programs.mitmdump)),
    Group(
        "Settings",
        (
            settings_file.file,
            settings_file.values,
            settings_file.base_url,
            settings_file.api_key,
            settings_file.clients,
        ),
    ),
    Group("Endpoint", (endpoint.endpoint,)),
    Group(
        "OpenCode",
        (
            client.program,
            client.configuration,
            client.models,
            client.plugins,
            client.login,
            opencode_server.check_server,
        ),
    ),
    Group("Certificate", (certificate.check_ca, certificate.check_trust)),
    Group("This terminal", (terminal.proxy, terminal.variables, terminal.authorities, terminal.port)),
    Group("Codex instructions", (instructions.cache, instructions.host)),
)


def run_checks(
    context: DoctorContext, groups: tuple[Group, ...] = GROUPS, patience: float = _TIMEOUT
) -> Iterator[tuple[str, Result]]:
    """Each finding with the title of its group, as soon as it and all before it are there.

    `patience` is how long all of it may take, in seconds.
    """
    until = time.monotonic() + patience
    running = [
        (group.title, check, concurrency.run_in_thread(lambda check=check: list(check(context))))  # type: ignore[misc]
        for group in groups
        for check in group.checks
    ]
    for title, check, results in running:
        name = f"{title.lower()}: {check.__name__.replace('_', ' ')}"
        try:
            for result in results.result(max(0.0, until - time.monotonic())):
                yield title, result
        except FutureTimeoutError:
            fix = "Run this again; on a machine that is very busy, or whose network hangs, it may take longer."
            yield title, failure(name, f"was not done after {patience:g} s", fix)
        except Exception as error:
            text = " ".join(str(error).split())
            message = f"this check itself failed ({type(error).__name__}{': ' if text else ''}{text})"
            yield title, failure(name, message, "Tell the maintainers of codex-transform.")
