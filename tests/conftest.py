"""Setup for all tests: hypothesis has no deadline, for busy machines; signals that `nohup` or a script's `&` makes
processes ignore get their default handlers, because programs of the tests would inherit that; and after each test the
catalogue forgets what it has learnt. Files that drive programs run first: they take longest, and if one started last,
a single worker would be busy at the end."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from codex_transform import catalog

settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

for name, handler in (("SIGINT", signal.default_int_handler), ("SIGQUIT", signal.SIG_DFL), ("SIGHUP", signal.SIG_DFL)):
    number = getattr(signal, name, None)
    if number is not None and signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)


DRIVERS = Path(__file__).parent / "e2e", Path(__file__).parent / "cli", Path(__file__).parent / "clients"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def is_quick(item: pytest.Item) -> bool:
        return "gate" not in item.keywords and not any(folder in item.path.parents for folder in DRIVERS)

    items.sort(key=is_quick)


@pytest.fixture(autouse=True)
def _forget_learnt_models() -> Iterator[None]:
    yield
    catalog.learn(())
