"""Why a proxy should be sent no requests: what `/readyz` says.

Its reasons name settings and nothing of their values: whoever may ask for the state need not learn where files lie.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from codex_transform.settings.loader import Problem
from codex_transform.settings.options import Settings


class Reason(NamedTuple):
    """One reason: a word for programs, and a sentence for people."""

    code: str
    message: str


def reasons(
    settings: Settings, problems: Iterable[Problem], *, draining: bool, down: bool, uncounted: bool = False
) -> Iterator[Reason]:
    """Yield every reason; none means that the proxy is ready.

    `down` is whether all endpoints are, `uncounted` whether people have limits that cannot be looked up.
    """
    if draining:
        yield Reason("draining", "the proxy is being stopped; calls in progress may finish")
    wrong = dict.fromkeys(problem.setting for problem in problems if not problem.warning)
    for setting in wrong:
        name = f"codex_{setting}" if setting else "the settings file"
        yield Reason("settings_invalid", f"{name} cannot be used: the log says why")
    if settings.base_url is None and "base_url" not in wrong:
        yield Reason("endpoint_missing", "codex_base_url is not set")
    if settings.api_key is None and not settings.forward_client_key and "api_key" not in wrong:
        yield Reason("key_missing", "codex_api_key is not set")
    if down:
        yield Reason("endpoint_down", "the last calls got no answer from any endpoint")
    if uncounted and settings.limits_fail == "closed":
        yield Reason("state_unavailable", "codex_state cannot be reached, and codex_limits_fail is closed")
