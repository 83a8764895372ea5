"""Recognizes the errors of a pipe whose reader has gone, which differ between systems."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager


def is_broken(error: OSError, system: str = os.name) -> bool:
    """Return whether an error means that the pipe's reader has closed it. `system` is `os.name`.

    Windows may also raise ConnectionResetError, or report EINVAL for a pipe whose other end was closed; `subprocess`
    treats them alike (bpo-19612, bpo-30418).
    """
    if isinstance(error, BrokenPipeError | ConnectionResetError):
        return True
    return system == "nt" and error.errno == errno.EINVAL


@contextmanager
def reader_may_be_gone() -> Iterator[None]:
    """Suppress the errors of a pipe whose reader has closed it. Other errors are raised."""
    try:
        yield
    except OSError as error:
        if not is_broken(error):
            raise
