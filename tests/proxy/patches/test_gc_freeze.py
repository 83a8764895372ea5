"""What has been loaded is put aside; what comes later is collected as ever."""

import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from codex_transform.proxy.patches.gc_freeze import GcFreeze


@pytest.fixture
def collector() -> Iterator[GcFreeze]:
    made = GcFreeze()
    made.running()
    yield made
    made.done()


class Loop:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


def test_what_is_there_is_put_aside(collector: GcFreeze) -> None:
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < gc.get_freeze_count()
    collector.done()
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("collector")
def test_garbage_is_collected() -> None:
    gone = ref(Loop())
    assert gone() is not None
    gc.collect()
    assert gone() is None
