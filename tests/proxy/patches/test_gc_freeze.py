"""Objects that exist at the start are frozen; later ones are collected as usual."""

import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from codex_transform.proxy.patches.gc_freeze import GcFreeze


@pytest.fixture
def collector() -> Iterator[GcFreeze]:
    freeze = GcFreeze()
    freeze.running()
    yield freeze
    freeze.done()


class Cycle:
    """An object that refers to itself."""

    def __init__(self) -> None:
        self.me = self


def test_existing_objects_are_frozen(collector: GcFreeze) -> None:
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < gc.get_freeze_count()
    collector.done()
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("collector")
def test_later_garbage_is_collected() -> None:
    garbage = ref(Cycle())
    assert garbage() is not None
    gc.collect()
    assert garbage() is None
