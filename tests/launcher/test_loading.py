"""A process that waits for a command line, and gets none."""

from codex_transform.launcher.loading import launch, loading


def test_it_ends_with_the_block() -> None:
    with loading() as process:
        assert process.poll() is None
    assert process.poll() is not None
    assert process.stdin is not None
    assert process.stdin.closed


def test_it_ends_with_its_owner() -> None:
    process = launch()
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"")
