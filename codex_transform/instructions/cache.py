"""The instructions on disk: one small JSON file for each catalogue file of each root.

Strategy: an entry records where it came from, and is used only if that matches its file name; anything else is deleted,
with a warning, and fetched again. The name contains a digest of the root, so that two mirrors never share an ETag.
Files change by rename only: a second proxy with the same folder reads the old one or the new one, never half of
either. The cache is a convenience, so no function raises.
"""

import contextlib
from collections.abc import Callable
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from codex_transform.catalog import Facts
from codex_transform.fsutil import write_private
from codex_transform.instructions.facts import restore_facts
from codex_transform.instructions.fetch import is_etag
from codex_transform.jsonio import dumps, loads_object

Warn = Callable[[str], None]

_VERSION = 1


class Entry(NamedTuple):
    """The texts of one catalogue file, by slug, and its facts, fetched from `{root}/{ref}/{path}`.

    `checked` is the Unix time when the server last confirmed that they are current. An entry of a release that kept no
    facts has None for them.
    """

    root: str
    ref: str
    path: str
    etag: str | None
    checked: float
    texts: dict[str, str]
    facts: tuple[Facts, ...] | None = None


def load(folder: Path, root: str, ref: str, warn: Warn) -> Entry | None:
    """Return the entry for `ref` under `root`, or None. A damaged file is deleted, with a warning."""
    file = _file(folder, root, ref)
    try:
        entry = _parse(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        warn(f"Cannot read the instructions cache {file} ({error.strerror}). It is not used.")
        return None
    if entry and (entry.root, entry.ref) == (root, ref):
        return entry
    warn(f"The instructions cache {file} was damaged. It was deleted and will be fetched again.")
    with contextlib.suppress(OSError):
        file.unlink()
    return None


def peek(folder: Path, root: str, ref: str) -> Entry | None:
    """Return the entry for `ref` under `root`, or None. A damaged file stays, for `load` to tell of."""
    try:
        entry = _parse(_file(folder, root, ref).read_bytes())
    except OSError:
        return None
    return entry if entry and (entry.root, entry.ref) == (root, ref) else None


def save(folder: Path, entry: Entry, warn: Warn) -> None:
    """Write `entry` in one step, readable only by this user; warn if that fails."""
    facts = None if entry.facts is None else [each._asdict() for each in entry.facts]
    document = {"version": _VERSION, **entry._asdict(), "facts": facts}
    try:
        write_private(_file(folder, entry.root, entry.ref), dumps(document))
    except OSError as error:
        warn(
            f"Cannot write the instructions cache in {folder} ({error.strerror}): "
            "the instructions will be fetched again after a restart. Fix: make the folder writable."
        )


def _parse(content: bytes) -> Entry | None:
    """Return the entry that `save` wrote, None for anything else."""
    document = loads_object(content) or {}
    match document:
        case {
            "version": 1,
            "root": str(root),
            "ref": str(ref),
            "path": str(path),
            "etag": None | str() as etag,
            "checked": float(checked),
            "texts": dict(texts),
        } if isfinite(checked) and (etag is None or is_etag(etag)):
            if not texts or not all(isinstance(text, str) and text for text in texts.values()):
                return None
            match document.get("facts"):
                case None:
                    return Entry(root, ref, path, etag, checked, texts)
                case [*rows] if all(isinstance(row, dict) for row in rows):
                    facts = tuple(known for row in rows if (known := restore_facts(row)))
                    return Entry(root, ref, path, etag, checked, texts, facts)
    return None


def _file(folder: Path, root: str, ref: str) -> Path:
    return folder / f"codex-transform-{ref}-{sha256(root.encode()).hexdigest()[:12]}.json"
