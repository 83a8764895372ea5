"""The instructions on disk: one small JSON file for each catalogue file of each root.

Strategy: an entry records where it came from, and is used only if that matches its file name; anything else is deleted,
with a warning, and fetched again. The name contains a digest of the root, so that two mirrors never share an ETag.
Files change by rename only: a second proxy with the same folder reads the old one or the new one, never half of
either. The cache is a convenience, so no function raises.
"""

import contextlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from codex_transform.catalog import Facts
from codex_transform.fsutil import write_private
from codex_transform.instructions.fetch import ETAG_PATTERN

Warn = Callable[[str], None]


class Entry(BaseModel):
    """The texts of one catalogue file, by slug, and its facts, fetched from `{root}/{ref}/{path}`.

    `checked` is the Unix time when the server last confirmed that they are current. An entry of a release that kept no
    facts has None for them.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    version: Literal[1] = 1
    root: str
    ref: str
    path: str
    etag: Annotated[str, Field(pattern=ETAG_PATTERN)] | None
    checked: Annotated[float, Field(allow_inf_nan=False)]
    texts: Annotated[dict[str, Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    facts: tuple[Facts, ...] | None = None


def load(folder: Path, root: str, ref: str, warn: Warn) -> Entry | None:
    """Return the entry for `ref` under `root`, or None. A damaged file is deleted, with a warning."""
    file = _file(folder, root, ref)
    try:
        entry = Entry.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        warn(f"Cannot read the instructions cache {file} ({error.strerror}). It is not used.")
        return None
    except ValidationError:
        entry = None
    if entry and (entry.root, entry.ref) == (root, ref):
        return entry
    warn(f"The instructions cache {file} was damaged. It was deleted and will be fetched again.")
    with contextlib.suppress(OSError):
        file.unlink()
    return None


def peek(folder: Path, root: str, ref: str) -> Entry | None:
    """Return the entry for `ref` under `root`, or None. A damaged file stays, for `load` to tell of."""
    try:
        entry = Entry.model_validate_json(_file(folder, root, ref).read_bytes())
    except (OSError, ValidationError):
        return None
    return entry if (entry.root, entry.ref) == (root, ref) else None


def save(folder: Path, entry: Entry, warn: Warn) -> None:
    """Write `entry` in one step, readable only by this user; warn if that fails."""
    try:
        write_private(_file(folder, entry.root, entry.ref), entry.model_dump_json().encode())
    except OSError as error:
        warn(
            f"Cannot write the instructions cache in {folder} ({error.strerror}): "
            "the instructions will be fetched again after a restart. Fix: make the folder writable."
        )


def _file(folder: Path, root: str, ref: str) -> Path:
    return folder / f"codex-transform-{ref}-{sha256(root.encode()).hexdigest()[:12]}.json"
