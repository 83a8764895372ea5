"""The instructions on disk: one small JSON file for each catalogue file of each root.

Strategy: an entry says where it came from, and is believed only when it says what its place promises;
anything else is thrown away, with a warning, and fetched anew. The name holds a digest of the root, so that
two mirrors never share an ETag. Files change by rename only: a second proxy in the same folder reads the
old one or the new one, never half of either. No function here raises: the cache is a convenience.
"""

import contextlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from codex_transform.fsutil import write_private
from codex_transform.instructions.fetch import ETAG_PATTERN

Warn = Callable[[str], None]


class Entry(BaseModel):
    """What one catalogue file held: `texts` by slug, got from `{root}/{ref}/{path}`.

    `checked` is the time, in seconds since the epoch, when the server last said that this is how the file
    reads.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    root: str
    ref: str
    path: str
    etag: Annotated[str, Field(pattern=ETAG_PATTERN)] | None
    checked: Annotated[float, Field(allow_inf_nan=False)]
    texts: Annotated[dict[str, Annotated[str, Field(min_length=1)]], Field(min_length=1)]


def load(folder: Path, root: str, ref: str, warn: Warn) -> Entry | None:
    """Return the entry for `ref` under `root`, or None. A file that is not one is deleted, and `warn` told."""
    file = _file(folder, root, ref)
    try:
        entry = Entry.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        warn(f"Cannot read the instructions cache {file} ({error.strerror}): going on without it.")
        return None
    except ValidationError:
        entry = None
    if entry and (entry.root, entry.ref) == (root, ref):
        return entry
    warn(f"Threw away the damaged instructions cache {file}: it will be fetched again.")
    with contextlib.suppress(OSError):
        file.unlink()
    return None


def save(folder: Path, entry: Entry, warn: Warn) -> None:
    """Write `entry` for this user alone, in one step, or tell `warn` why not."""
    try:
        write_private(_file(folder, entry.root, entry.ref), entry.model_dump_json().encode())
    except OSError as error:
        warn(
            f"Cannot write the instructions cache in {folder} ({error.strerror}): "
            "the instructions will be fetched again after a restart. Make the folder writable."
        )


def _file(folder: Path, root: str, ref: str) -> Path:
    return folder / f"codex-transform-{ref}-{sha256(root.encode()).hexdigest()[:12]}.json"
