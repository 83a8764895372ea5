"""Zstandard (RFC 8878), from wherever this Python has it.

The standard library has it from Python 3.14 on (PEP 784); before that, the package `backports.zstd` has the same names.
Without either, as next to a mitmproxy older than 12.3, `zstd` is None and `MISSING` is the message.
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

MISSING = f"this Python cannot read zstd. Fix: run `{sys.executable} -m pip install backports.zstd`"
