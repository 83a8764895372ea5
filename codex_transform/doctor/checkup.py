"""Runs all checks at the same time and yields their results in a fixed order.

A check that raises, or has not finished in time, becomes a failure with the name of the check. So whatever is wrong
with a machine, there are no tracebacks and no endless waits.
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
    packages,
    programs,
    settings_file,
    shared_state,
    terminal,
)
from codex_transform.doctor.result import Check, DoctorContext, Result, failure

_TIMEOUT = 20.0  # seconds


class Group(NamedTuple):
    """Checks on one subject, in the order in which they are shown."""

    title: str
    checks: tuple[Check, ...]


GROUPS = (
    Group("Programs", (programs.python, programs.mitmproxy, packages.releases, programs.patches, programs.mitmdump)),
    Group(
        "Settings",
        (
            settings_file.file,
            settings_file.values,
            settings_file.base_url,
            settings_file.api_key,
            settings_file.clients,
            shared_state.backend,
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
    context: DoctorContext, groups: tuple[Group, ...] = GROUPS, timeout: float = _TIMEOUT
) -> Iterator[tuple[str, Result]]:
    """Yield each result with the title of its group, in order, as soon as it and all before it are known.

    All checks together may take `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    running = [
        (group.title, check, concurrency.run_in_thread(lambda check=check: list(check(context))))  # type: ignore[misc]
        for group in groups
        for check in group.checks
    ]
    for title, check, results in running:
        name = f"{title.lower()}: {check.__name__.replace('_', ' ')}"
        try:
            for result in results.result(max(0.0, deadline - time.monotonic())):
                yield title, result
        except FutureTimeoutError:
            fix = "Try again: a very busy machine or a network that does not respond can cause this."
            yield title, failure(name, f"did not finish in {timeout:g} s", fix)
        except Exception as error:
            text = " ".join(str(error).split())
            message = f"this check itself failed ({type(error).__name__}{': ' if text else ''}{text})"
            yield title, failure(name, message, "Report this to the maintainers of codex-transform.")
