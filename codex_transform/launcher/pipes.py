"""What a pipe says when its reader has gone; each system has its own words for it."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager


def is_broken(error: OSError, system: str = os.name) -> bool:
    """Return True for an error that means: nobody reads any more. `system` is `os.name`.

    Windows also gives ConnectionResetError, and EINVAL for a pipe whose other end was closed, as
    `subprocess` knows (bpo-19612, bpo-30418).
    """
    if isinstance(error, BrokenPipeError | ConnectionResetError):
        return True
    return system == "nt" and error.errno == errno.EINVAL


@contextmanager
def reader_may_be_gone() -> Iterator[None]:
    """Pass over the errors of a pipe that nobody reads any more. Other errors are raised."""
    try:
        yield
    except OSError as error:
        if not is_broken(error):
            raise
