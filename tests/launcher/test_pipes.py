import errno

import pytest

from codex_transform.launcher.pipes import is_broken, reader_may_be_gone


@pytest.mark.parametrize(
    ("error", "system", "broken"),
    [
        (BrokenPipeError(), "posix", True),
        (ConnectionResetError(), "nt", True),
        (OSError(errno.EINVAL, "Invalid argument"), "nt", True),
        (OSError(errno.EINVAL, "Invalid argument"), "posix", False),
        (OSError(errno.ENOSPC, "No space"), "nt", False),
    ],
)
def test_errors_that_mean_that_the_reader_has_gone(error: OSError, system: str, broken: bool) -> None:
    assert is_broken(error, system) is broken


def test_only_a_missing_reader_is_ignored() -> None:
    with reader_may_be_gone():
        raise BrokenPipeError
    with pytest.raises(OSError, match="No space"), reader_may_be_gone():
        raise OSError(errno.ENOSPC, "No space")
