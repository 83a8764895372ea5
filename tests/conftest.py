"""Setup for all tests: hypothesis has no deadline, for busy machines; signals that `nohup` or a script's `&` makes
processes ignore get their default handlers, because programs of the tests would inherit that; and after each test the
catalogue forgets what it has learnt. `-m gate` does not import files without such tests. Files that drive programs run
first: they take longest, and if one started last, a single worker would be busy at the end."""

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


# Those that take longest, the longest first.
LONGEST = [
    *("test_readme_scripts.py", "test_readme_commands.py", "test_scripts.py", "test_opencode_answers.py"),
    *("test_opencode_sessions.py", "test_without_patches.py", "test_agents.py", "test_opencode.py"),
    *("test_opencode_efforts.py", "test_opencode_2.py", "test_readme_installs.py", "test_fresh_install.py"),
    *("test_bounds.py", "test_mitmweb.py", "test_command.py", "test_team.py", "test_status.py", "test_company.py"),
]
DRIVERS = Path(__file__).parent / "e2e", Path(__file__).parent / "cli", Path(__file__).parent / "clients"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    left_out = (
        is_test and config.getoption("markexpr") == "gate" and "mark.gate" not in collection_path.read_text("utf-8")
    )
    return True if left_out else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> tuple[int, bool]:
        is_quick = "gate" not in item.keywords and not any(folder in item.path.parents for folder in DRIVERS)
        return LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST), is_quick

    items.sort(key=rank)


@pytest.fixture(autouse=True)
def _forget_learnt_models() -> Iterator[None]:
    yield
    catalog.learn(())
