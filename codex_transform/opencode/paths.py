"""The files of OpenCode's configuration, and their text with all references substituted.

The order of the files and the meaning of `{env:NAME}` and `{file:path}` were observed with OpenCode 1.18.33 on files
that contradict each other (`opencode debug config`). Releases 1.1 and 1.3 differ in one point: in a project,
opencode.json has precedence over opencode.jsonc beside it. This module knows nothing of the content.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

_ENV = re.compile(r"\{env:([^}]+)\}")
_FILE = re.compile(r"\{file:([^}]+)\}")
_MAX_FILE_SIZE = 1 << 20  # settings and keys, not disk images
_INLINE = "OPENCODE_CONFIG_CONTENT"


class Source(NamedTuple):
    """One text of the configuration: `name` is its path, or the variable that contains it.

    `of_project` is true for a file of the folder that OpenCode is started in, which somebody else may have written.
    """

    name: str
    text: str
    of_project: bool = False


class Found(NamedTuple):
    """All texts, of which later ones win; every path that was tried, existing or not; warnings for the user."""

    sources: tuple[Source, ...]
    files: tuple[Path, ...]
    warnings: tuple[str, ...]


def paths(environ: Mapping[str, str], cwd: Path, home: Path) -> list[Path]:
    """Return the files that OpenCode would read if started in `cwd`, whether they exist or not; later ones win."""
    return [*(path for path, _ in _user_paths(environ, cwd, home)), *_managed_paths(environ)]


def read(environ: Mapping[str, str], cwd: Path, home: Path) -> Found:
    """Return the texts of those files and of OPENCODE_CONFIG_CONTENT. What cannot be read is a warning."""
    sources: list[Source] = []
    files: list[Path] = []
    warnings: list[str] = []

    def add_text(name: str, folder: Path, text: str, of_project: bool = False) -> None:
        substituted, read, missing = _substitute(text, folder, environ, home)
        sources.append(Source(name, substituted, of_project))
        files.extend(read)
        warnings.extend(f"{name}: {message}" for message in missing)

    def add(path: Path, of_project: bool = False) -> None:
        files.append(path)
        try:
            text = _read_file(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        except (OSError, ValueError) as error:
            warnings.append(f"{path}: not used: {_reason(error)}")
            return
        if text:  # OpenCode ignores an empty file
            add_text(str(path), path.parent, text, of_project)

    for path, of_project in _user_paths(environ, cwd, home):
        add(path, of_project)
    if inline := environ.get(_INLINE):
        add_text(_INLINE, cwd, inline)
    for path in _managed_paths(environ):
        add(path)
    return Found(tuple(sources), tuple(dict.fromkeys(files)), tuple(warnings))


def signature(files: Iterable[Path]) -> tuple[tuple[int, int] | None, ...]:
    """Return the time and size of each of `files`: the result changes when one is written, created or removed."""

    def stamp(path: Path) -> tuple[int, int] | None:
        try:
            status = path.stat()
        except (OSError, ValueError):
            return None
        return status.st_mtime_ns, status.st_size

    return tuple(stamp(path) for path in files)


def _user_paths(environ: Mapping[str, str], cwd: Path, home: Path) -> Iterator[tuple[Path, bool]]:
    """Yield each path, and whether it belongs to the project."""
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "opencode")
    for name in ("config.json", "opencode.json", "opencode.jsonc"):
        yield config / name, False
    if custom := environ.get("OPENCODE_CONFIG"):
        yield cwd / custom, False
    off = environ.get("OPENCODE_DISABLE_PROJECT_CONFIG", "").lower() in ("1", "true")
    project = [] if off else _project(cwd)
    for folder in reversed(project):
        for path in _config_names(folder):
            yield path, True
    # Of these the outermost folder wins: OpenCode reads them from the inside out.
    own = [config, home / ".opencode"]
    folders = [config, *(folder / ".opencode" for folder in project), home / ".opencode"]
    special = environ.get("OPENCODE_CONFIG_DIR")
    if special:
        own.append(cwd / special)
        folders.append(cwd / special)
    for folder in dict.fromkeys(folders):
        if folder.name.endswith(".opencode") or (special and folder == cwd / special):
            for path in _config_names(folder):
                yield path, folder not in own


def _managed_paths(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files of the machine's administrator; the variable, which OpenCode has too, moves them for tests."""
    if sys.platform == "darwin":
        folder = Path("/Library/Application Support/opencode")
    elif sys.platform == "win32":
        folder = Path(environ.get("ProgramData") or "C:\\ProgramData", "opencode")
    else:
        folder = Path("/etc/opencode")
    yield from _config_names(Path(environ.get("OPENCODE_TEST_MANAGED_CONFIG_DIR") or folder))


def _config_names(folder: Path) -> Iterator[Path]:
    yield folder / "opencode.json"
    yield folder / "opencode.jsonc"


def _project(cwd: Path) -> list[Path]:
    """Return `cwd` and its parents up to the top of the git worktree, or of the file system if there is none."""
    folders = [cwd, *cwd.parents]
    top = next((count for count, folder in enumerate(folders, start=1) if is_worktree(folder)), None)
    return folders[:top]


def is_worktree(folder: Path) -> bool:
    """Return whether `folder` is the top of a git worktree."""
    mark = folder / ".git"
    try:
        # It is a folder in a clone and a file in a linked worktree; an empty folder of that name does not count.
        return mark.is_file() or (mark / "HEAD").is_file()
    except OSError:  # a folder without permission
        return False


def _substitute(text: str, folder: Path, environ: Mapping[str, str], home: Path) -> tuple[str, list[Path], list[str]]:
    """Return `text` with its references substituted, the files that it refers to, and warnings about missing ones.

    As in OpenCode this happens before the text is parsed. A variable is inserted as it is, empty if it is not set, and
    may contain a file reference. A file is inserted without surrounding white space and with JSON's escapes; its path
    is relative to `folder`. Lines that begin with // are skipped. A missing file counts as empty.
    """
    text = _ENV.sub(lambda match: environ.get(match[1]) or "", text)
    files: list[Path] = []
    missing: list[str] = []

    def insert(match: re.Match[str]) -> str:
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if line.lstrip().startswith("//"):
            return match[0]
        name = match[1]
        path = home / name[2:] if name.startswith("~/") else folder / name
        files.append(path)
        try:
            return json.dumps(_read_file(path).strip(), ensure_ascii=False)[1:-1]
        except (OSError, ValueError) as error:
            missing.append(f"{path}, named by a {{file:…}} reference, is taken as empty: {_reason(error)}")
            return ""

    return _FILE.sub(insert, text), files, missing


def _read_file(path: Path) -> str:
    """Return the text of a regular file: a pipe or a device could block forever. Raises OSError or ValueError."""
    if not S_ISREG(path.stat().st_mode):
        raise ValueError("not a regular file")
    with path.open("rb") as file:
        data = file.read(_MAX_FILE_SIZE + 1)
    if len(data) > _MAX_FILE_SIZE:
        raise ValueError("larger than 1 MiB")
    return data.decode("utf-8-sig", errors="replace")  # as OpenCode does


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
