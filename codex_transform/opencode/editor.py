"""Write OpenCode's configuration files so that nothing is lost.

A file keeps its mode, a link stays a link, and the old content is kept in a backup beside it, named after the time of
the change. The new content replaces the old in one step. This module knows nothing of the content.
"""

import os
import shutil
import stat
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from codex_transform.fsutil import explain, require_regular, retry_while_held
from codex_transform.opencode import paths as opencode_paths

# The command that makes a file writable.
_WRITABLE = "attrib -r" if os.name == "nt" else "chmod u+w"


def target(environ: Mapping[str, str], cwd: Path, home: Path, *, project: bool = False) -> Path:
    """Return the file to write: the user's own for all projects, or that of the project of `cwd`.

    It is the one of `opencode.json` and `opencode.jsonc` that exists; if both do, the second, which has precedence in
    OpenCode. A project is the git worktree of `cwd`, else `cwd` alone, and its innermost file counts.
    """
    if project:
        top = next((folder for folder in (cwd, *cwd.parents) if opencode_paths.is_worktree(folder)), cwd)
        folders = [folder for folder in (cwd, *cwd.parents) if folder.is_relative_to(top)]
    else:
        folders = [opencode_paths.paths(environ, cwd, home)[0].parent]
    names = ("opencode.jsonc", "opencode.json")
    existing = (folder / name for folder in folders for name in names if os.path.lexists(folder / name))
    return next(existing, folders[-1] / names[1])


def read(path: Path) -> str:
    """Return the text of a file with its byte order mark and line ends, empty if there is no such file.

    Raises ValueError, whose message names the file, if it cannot be read or is not UTF-8 text.
    """
    try:
        real = _resolve(path)
        require_regular(real)
        return real.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text: save it as UTF-8") from None
    except OSError as error:
        raise ValueError(explain(path, "read", error)) from None


def write(path: Path, text: str) -> Path | None:
    """Write `text` to the file; return the path of the backup, or None if there was no file.

    Raises ValueError, whose message names the file, if it cannot be written or is marked read-only; then it stays as it
    was.
    """
    real = _resolve(path)
    try:
        require_regular(real)
        backup = _backup_path(real) if real.exists() else None
        if backup:
            mode = stat.S_IMODE(real.stat().st_mode)
            # The mode is checked too: a file can be replaced in any writable folder, and root may do anything.
            if not mode & 0o222 or not os.access(real, os.W_OK):
                raise ValueError(
                    f"{path} is read-only: make it writable first ({_WRITABLE}), or name another with --file"
                )
            shutil.copy2(real, backup)
        else:
            mode = None
            real.parent.mkdir(parents=True, exist_ok=True)
        _replace(real, text.encode(), mode)
    except OSError as error:
        raise ValueError(explain(path, "written", error)) from None
    return backup


def rename_to_backup(path: Path) -> Path:
    """Rename a file, or the link if it is one, to the name of a backup of it.

    Raises ValueError, whose message names the file.
    """
    try:
        return retry_while_held(lambda: path.rename(_backup_path(path)))
    except OSError as error:
        raise ValueError(explain(path, "moved aside", error)) from None


def _resolve(path: Path) -> Path:
    """Return the target of a link. Raises ValueError if links form a loop."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # the latter before Python 3.13
        raise ValueError(f"{path} is a link that leads to itself. Fix: remove it") from None


def _backup_path(path: Path) -> Path:
    """Return an unused path beside `path` whose name contains the time."""
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    name, count = f"{path.name}.bak-{stamp}", 1
    while os.path.lexists(path.with_name(name)):
        count += 1
        name = f"{path.name}.bak-{stamp}-{count}"
    return path.with_name(name)


def _replace(path: Path, data: bytes, mode: int | None) -> None:
    """Replace `path` by `data` in one step; without a mode, with the default mode of new files."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(mode)
        retry_while_held(lambda: temporary.replace(path))
    except BaseException:
        retry_while_held(lambda: temporary.unlink(missing_ok=True))
        raise
