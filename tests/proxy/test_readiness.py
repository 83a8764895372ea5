"""When a proxy is ready, and the reasons why it is not."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from codex_transform.endpoint.url import parse
from codex_transform.proxy.endpoint_health import FAILURES, REST, EndpointHealth
from codex_transform.proxy.readiness import reasons
from codex_transform.redaction import Secret
from codex_transform.settings.loader import Problem
from codex_transform.settings.options import Settings
from codex_transform.usage.record import Record

SET = Settings(base_url="https://h", api_key=Secret("sk-1"))
ONE, OTHERS = (parse("https://h"),), (parse("https://h"), parse("https://other"))


def codes(
    settings: Settings = SET, problems: Iterable[Problem] = (), *, draining: bool = False, down: bool = False
) -> list[str]:
    return [reason.code for reason in reasons(settings, problems, draining=draining, down=down)]


def test_a_proxy_with_an_endpoint_and_a_key_is_ready() -> None:
    assert codes() == []
    assert codes(replace(SET, api_key=None, forward_client_key=True)) == []
    assert codes(problems=[Problem(None, "file", "others can read it", warning=True)]) == []


def test_every_reason_is_given() -> None:
    assert codes(Settings()) == ["endpoint_missing", "key_missing"]
    assert codes(draining=True, down=True) == ["draining", "endpoint_down"]


def test_an_invalid_setting_is_named_without_its_value() -> None:
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


UNREACHABLE = record(outcome="error", status=502, code="endpoint_unreachable")


def test_an_endpoint_is_down_for_a_while_after_consecutive_failures(health: EndpointHealth, clock: Clock) -> None:
    for _ in range(FAILURES):
        assert not health.is_down(ONE)
        health.observe(UNREACHABLE, ONE)
    assert health.is_down(ONE)
    assert not health.is_down(OTHERS)
    clock.seconds += REST
    assert not health.is_down(ONE)
    health.observe(UNREACHABLE, ONE)
    assert health.is_down(ONE)


@pytest.mark.parametrize(
    "responded", [record(), record(outcome="error", status=429, code="rate_limit"), record(outcome="cut", status=200)]
)
def test_any_response_shows_that_the_endpoint_is_up(health: EndpointHealth, responded: Record) -> None:
    for _ in range(FAILURES):
        health.observe(UNREACHABLE, ONE)
    health.observe(responded, ONE)
    assert not health.is_down(ONE)


def test_calls_that_did_not_reach_the_endpoint_do_not_count(health: EndpointHealth) -> None:
    stopped = record(outcome="error", status=503, code="proxy_stopped")
    for _ in range(FAILURES):
        health.observe(UNREACHABLE, ONE)
        health.observe(stopped, ONE)
        health.observe(record(outcome="left"), ONE)
    assert health.is_down(ONE)
    health.observe(UNREACHABLE, OTHERS)
    assert not health.is_down(ONE)
