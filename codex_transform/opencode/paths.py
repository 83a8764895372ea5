"""Where OpenCode's configuration lies, and its text with all references filled in.

The order of the files and the meaning of `{env:NAME}` and `{file:path}` are what OpenCode 1.18.33 showed when run on
files that contradict each other (`opencode debug config`). Releases 1.1 and 1.3 differ in one thing: in a project,
opencode.json won over opencode.jsonc beside it. Nothing here knows what the files are about.
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
_LARGEST_FILE = 1 << 20  # settings and keys, not disk images
_INLINE = "OPENCODE_CONFIG_CONTENT"


class Source(NamedTuple):
    """One text of the configuration: `name` is its path, or the variable that held it.

    `of_project` is true for a file that came with the folder that OpenCode was started in: somebody else may have
    written it.
    """

    name: str
    text: str
    of_project: bool = False


class Found(NamedTuple):
    """All texts, later ones win; every path that was looked at, there or not; warnings for a person."""

    sources: tuple[Source, ...]
    files: tuple[Path, ...]
    warnings: tuple[str, ...]


def paths(environ: Mapping[str, str], cwd: Path, home: Path) -> list[Path]:
    """Return the files that OpenCode would read if started in `cwd`, whether they exist or not; later ones win."""
    return [*(path for path, _ in _user_paths(environ, cwd, home)), *_managed_paths(environ)]


def read(environ: Mapping[str, str], cwd: Path, home: Path) -> Found:
    """Return the texts of those files and of OPENCODE_CONFIG_CONTENT.

    Never raises: what cannot be read is a warning.
    """
    sources: list[Source] = []
    files: list[Path] = []
    warnings: list[str] = []

    def fill_in(name: str, folder: Path, text: str, of_project: bool = False) -> None:
        filled, read, missing = _substitute(text, folder, environ, home)
        sources.append(Source(name, filled, of_project))
        files.extend(read)
        warnings.extend(f"{name}: {message}" for message in missing)

    def add(path: Path, of_project: bool = False) -> None:
        files.append(path)
        try:
            text = _content(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        except (OSError, ValueError) as error:
            warnings.append(f"{path}: not used: {_reason(error)}")
            return
        if text:  # OpenCode takes an empty file for one that says nothing
            fill_in(str(path), path.parent, text, of_project)

    for path, of_project in _user_paths(environ, cwd, home):
        add(path, of_project)
    if inline := environ.get(_INLINE):
        fill_in(_INLINE, cwd, inline)
    for path in _managed_paths(environ):
        add(path)
    return Found(tuple(sources), tuple(dict.fromkeys(files)), tuple(warnings))


def signature(files: Iterable[Path]) -> tuple[tuple[int, int] | None, ...]:
    """Something that differs when one of `files` was written, made or removed: the time and size of each."""

    def stamp(path: Path) -> tuple[int, int] | None:
        try:
            status = path.stat()
        except (OSError, ValueError):
            return None
        return status.st_mtime_ns, status.st_size

    return tuple(stamp(path) for path in files)


def _user_paths(environ: Mapping[str, str], cwd: Path, home: Path) -> Iterator[tuple[Path, bool]]:
    """Each path, and whether it is the project's."""
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "opencode")
    for name in ("config.json", "opencode.json", "opencode.jsonc"):
        yield config / name, False
    if custom := environ.get("OPENCODE_CONFIG"):
        yield cwd / custom, False
    off = environ.get("OPENCODE_DISABLE_PROJECT_CONFIG", "").lower() in ("1", "true")
    project = [] if off else _project(cwd)
    for folder in reversed(project):
        for path in _pair(folder):
            yield path, True
    # In these the outermost folder wins: OpenCode goes through them from the inside out.
    own = [config, home / ".opencode"]
    folders = [config, *(folder / ".opencode" for folder in project), home / ".opencode"]
    special = environ.get("OPENCODE_CONFIG_DIR")
    if special:
        own.append(cwd / special)
        folders.append(cwd / special)
    for folder in dict.fromkeys(folders):
        if folder.name.endswith(".opencode") or (special and folder == cwd / special):
            for path in _pair(folder):
                yield path, folder not in own


def _managed_paths(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files of a machine's administrator; the variable, which OpenCode knows too, moves them for tests."""
    if sys.platform == "darwin":
        folder = Path("/Library/Application Support/opencode")
    elif sys.platform == "win32":
        folder = Path(environ.get("ProgramData") or "C:\\ProgramData", "opencode")
    else:
        folder = Path("/etc/opencode")
    yield from _pair(Path(environ.get("OPENCODE_TEST_MANAGED_CONFIG_DIR") or folder))


def _pair(folder: Path) -> Iterator[Path]:
    yield folder / "opencode.json"
    yield folder / "opencode.jsonc"


def _project(cwd: Path) -> list[Path]:
    """`cwd` and the folders above it up to the top of the git worktree, or of the file system if there is none."""
    folders = [cwd, *cwd.parents]
    top = next((count for count, folder in enumerate(folders, start=1) if is_worktree(folder)), None)
    return folders[:top]


def is_worktree(folder: Path) -> bool:
    """Return True for the top of a git worktree."""
    mark = folder / ".git"
    try:
        # A folder in a clone, a file in a linked worktree; an empty folder of that name means nothing.
        return mark.is_file() or (mark / "HEAD").is_file()
    except OSError:  # a folder that may not be looked into
        return False


def _substitute(text: str, folder: Path, environ: Mapping[str, str], home: Path) -> tuple[str, list[Path], list[str]]:
    """`text` with its references filled in, the files that it refers to, and what was missing.

    As in OpenCode this happens before the text is parsed. A variable goes in as it is, empty if it is not set, and
    may bring a file reference. A file goes in without the white space around it and with JSON's escapes; its path is
    relative to `folder`. In a line that begins with // no files are looked for. A missing file counts as empty.
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
            return json.dumps(_content(path).strip(), ensure_ascii=False)[1:-1]
        except (OSError, ValueError) as error:
            missing.append(f"{path}, named by a {{file:…}} reference, is taken as empty: {_reason(error)}")
            return ""

    return _FILE.sub(insert, text), files, missing


def _content(path: Path) -> str:
    """Return the text of an ordinary file: a pipe or a device would keep the proxy waiting.

    Raises OSError, ValueError.
    """
    if not S_ISREG(path.stat().st_mode):
        raise ValueError("not an ordinary file")
    with path.open("rb") as file:
        data = file.read(_LARGEST_FILE + 1)
    if len(data) > _LARGEST_FILE:
        raise ValueError("larger than 1 MiB")
    return data.decode("utf-8-sig", errors="replace")  # so does OpenCode


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
