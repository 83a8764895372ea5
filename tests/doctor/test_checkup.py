"""All checks run at the same time, and one that raises or does not end becomes a failure."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_transform.doctor.checkup import GROUPS, Group, run_checks
from codex_transform.doctor.result import DoctorContext, Result, ok
from codex_transform.opencode.config import OpenCodeConfig
from codex_transform.settings import loader


@pytest.fixture
def context(tmp_path: Path) -> DoctorContext:
    client = OpenCodeConfig()
    loaded = loader.load({}, {}, tmp_path / "none.json", client)
    return DoctorContext({"PATH": os.defpath}, tmp_path, tmp_path, loaded, client, ())


def well(_: DoctorContext) -> Iterator[Result]:
    yield ok("one", "fine")
    yield ok("two", "fine")


def test_results_come_in_order_even_if_the_first_check_is_the_slowest(context: DoctorContext) -> None:
    other_has_run = threading.Event()

    def first(_: DoctorContext) -> Iterator[Result]:
        assert other_has_run.wait(30), "the checks do not run side by side"
        yield ok("slow", "fine")

    def second(_: DoctorContext) -> Iterator[Result]:
        other_has_run.set()
        yield ok("quick", "fine")

    found = list(run_checks(context, (Group("A", (first, well)), Group("B", (second,)))))
    assert [(title, result.name) for title, result in found] == [
        ("A", "slow"),
        ("A", "one"),
        ("A", "two"),
        ("B", "quick"),
    ]


def test_a_check_that_crashes_is_a_fault_with_its_name(context: DoctorContext) -> None:
    def broken_check(_: DoctorContext) -> Iterator[Result]:
        yield ok("never shown", "")
        raise RuntimeError("something\n  odd")

    crashed, *others = [result for _, result in run_checks(context, (Group("A", (broken_check, well)),))]
    assert crashed.mark == "fault"
    assert crashed.name == "a: broken check"
    assert crashed.message == "this check itself failed (RuntimeError: something odd)"
    assert crashed.fix
    assert [result.name for result in others] == ["one", "two"]


def test_a_check_that_does_not_end_is_a_fault_with_its_name(context: DoctorContext) -> None:
    released = threading.Event()

    def endless(_: DoctorContext) -> Iterator[Result]:
        released.wait(60)
        yield ok("late", "")

    began = time.monotonic()
    found = [result for _, result in run_checks(context, (Group("A", (endless, well)),), timeout=1)]
    released.set()
    assert time.monotonic() - began < 30
    assert [(result.mark, result.name) for result in found] == [
        ("fault", "a: endless"),
        ("ok", "one"),
        ("ok", "two"),
    ]
    assert "did not finish in 1 s" in found[0].message


def test_every_group_has_a_title_of_its_own() -> None:
    assert len({group.title for group in GROUPS}) == len(GROUPS)
    assert all(group.checks for group in GROUPS)
