"""When a proxy is ready, and what is said when it is not."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from codex_transform.proxy.endpoint_health import FAILURES, REST, EndpointHealth
from codex_transform.proxy.readiness import reasons
from codex_transform.redaction import Secret
from codex_transform.settings.loader import Problem
from codex_transform.settings.options import Settings
from codex_transform.usage.record import Record

SET = Settings(base_url="https://h", api_key=Secret("sk-1"))
URL = "https://h/v1/responses"


def codes(
    settings: Settings = SET, problems: Iterable[Problem] = (), *, draining: bool = False, down: bool = False
) -> list[str]:
    return [reason.code for reason in reasons(settings, problems, draining=draining, down=down)]


def test_it_is_ready_with_an_endpoint_and_a_key() -> None:
    assert codes() == []
    assert codes(replace(SET, api_key=None, forward_client_key=True)) == []
    assert codes(problems=[Problem(None, "file", "others can read it", warning=True)]) == []


def test_every_reason_is_said() -> None:
    assert codes(Settings()) == ["endpoint_missing", "key_missing"]
    assert codes(draining=True, down=True) == ["draining", "endpoint_down"]


def test_a_wrong_setting_is_named_and_its_value_is_not() -> None:
    problems = [Problem("base_url", "/home/me/file", "sk-secret"), Problem(None, "/home/me/file", "sk-secret")]
    found = list(reasons(Settings(), problems, draining=False, down=False))
    assert [reason.code for reason in found] == ["settings_invalid", "settings_invalid", "key_missing"]
    assert "codex_base_url" in found[0].message
    assert not any(word in str(found) for word in ("secret", "/home"))


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> EndpointHealth:
    return EndpointHealth(clock)


def record(**members: Any) -> Record:
    return Record(at=1.0, **members)


NOBODY = record(outcome="error", status=502, code="endpoint_unreachable")


def test_an_endpoint_is_down_after_some_calls_in_a_row_and_for_a_while(health: EndpointHealth, clock: Clock) -> None:
    for _ in range(FAILURES):
        assert not health.is_down(URL)
        health.observe(NOBODY, URL)
    assert health.is_down(URL)
    assert not health.is_down("https://other")
    clock.seconds += REST
    assert not health.is_down(URL)
    health.observe(NOBODY, URL)
    assert health.is_down(URL)


@pytest.mark.parametrize(
    "answered", [record(), record(outcome="error", status=429, code="rate_limit"), record(outcome="cut", status=200)]
)
def test_any_answer_says_that_it_is_up(health: EndpointHealth, answered: Record) -> None:
    for _ in range(FAILURES):
        health.observe(NOBODY, URL)
    health.observe(answered, URL)
    assert not health.is_down(URL)


def test_what_says_nothing_about_it(health: EndpointHealth) -> None:
    stopped = record(outcome="error", status=503, code="proxy_stopped")
    for _ in range(FAILURES):
        health.observe(NOBODY, URL)
        health.observe(stopped, URL)
        health.observe(record(outcome="left"), URL)
        health.observe(record(outcome="error", status=400), None)
    assert health.is_down(URL)
    health.observe(NOBODY, "https://other")
    assert not health.is_down(URL)
