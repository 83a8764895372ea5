"""Checks that go wrong, or on and on, are findings of their own."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_transform.doctor.checkup import GROUPS, Group, examine
from codex_transform.doctor.result import Finding, Patient, ok
from codex_transform.opencode.config import OpenCodeConfig
from codex_transform.settings import loader


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    client = OpenCodeConfig()
    loaded = loader.load({}, {}, tmp_path / "none.json", client)
    return Patient({"PATH": os.defpath}, tmp_path, tmp_path, loaded, client, ())


def well(_: Patient) -> Iterator[Finding]:
    yield ok("one", "fine")
    yield ok("two", "fine")


def test_findings_come_in_order_though_the_first_is_the_slowest(patient: Patient) -> None:
    other_has_run = threading.Event()

    def first(_: Patient) -> Iterator[Finding]:
        assert other_has_run.wait(10), "the checks do not run side by side"
        yield ok("slow", "fine")

    def second(_: Patient) -> Iterator[Finding]:
        other_has_run.set()
        yield ok("quick", "fine")

    found = list(examine(patient, (Group("A", (first, well)), Group("B", (second,)))))
    assert [(title, finding.name) for title, finding in found] == [
        ("A", "slow"),
        ("A", "one"),
        ("A", "two"),
        ("B", "quick"),
    ]


def test_a_check_that_crashes_is_a_fault_with_its_name(patient: Patient) -> None:
    def broken_check(_: Patient) -> Iterator[Finding]:
        yield ok("never shown", "")
        raise RuntimeError("something\n  odd")

    crashed, *others = [finding for _, finding in examine(patient, (Group("A", (broken_check, well)),))]
    assert crashed.mark == "fault"
    assert crashed.name == "a: broken check"
    assert crashed.says == "this check itself failed (RuntimeError: something odd)"
    assert crashed.mend
    assert [finding.name for finding in others] == ["one", "two"]


def test_a_check_that_does_not_end_is_a_fault_with_its_name(patient: Patient) -> None:
    released = threading.Event()

    def endless(_: Patient) -> Iterator[Finding]:
        released.wait(30)
        yield ok("late", "")

    began = time.monotonic()
    found = [finding for _, finding in examine(patient, (Group("A", (endless, well)),), patience=0.3)]
    released.set()
    assert time.monotonic() - began < 5
    assert [(finding.mark, finding.name) for finding in found] == [
        ("fault", "a: endless"),
        ("ok", "one"),
        ("ok", "two"),
    ]
    assert "was not done after 0.3 s" in found[0].says


def test_every_group_has_a_title_of_its_own() -> None:
    assert len({group.title for group in GROUPS}) == len(GROUPS)
    assert all(group.checks for group in GROUPS)
