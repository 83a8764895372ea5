"""Zstandard (RFC 8878), from wherever this Python has it: the one module that knows.

The standard library brings it from Python 3.14 on (PEP 784); before, the package `backports.zstd` has the same names.
Where neither is there, as beside a mitmproxy before 12.3 installed, `zstd` is None and `MISSING` says what to do.
"""

import importlib
import sys
from typing import Any


def _load() -> Any:
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


zstd: Any = _load()

MISSING = f"this Python cannot read zstd. Fix: {sys.executable} -m pip install backports.zstd"
