"""Find the OpenCode plugin that this package replaces, and its forks, wherever OpenCode would load one from.

With such a plugin a request is transformed twice, or bypasses the proxy. OpenCode loads the entries of the list
`plugin` in each of its configuration files (npm packages, git URLs, paths; since 1.18 also a pair of a name and its
options) and every .ts and .js file in the folders `plugin` and `plugins` beside them. OpenCode 2 also has a list
`plugins`, with a name or an object that has it as its `package`. An entry is recognised by a name in it: the name of a
package is also that of its repository and of the folder that it is installed in.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from codex_transform.jsonc import editor, parser
from codex_transform.opencode import paths as opencode_paths

# opencode-openai-codex-key is the plugin for endpoints with a key; it derives from opencode-openai-codex-auth, whose
# forks have other names. All of them take over the provider `openai`.
_NAMES = re.compile(
    r"""
    (?<![\w.-])
    (?: (?:\w+-)? opencode-openai-codex-(?:auth|key) (?:-[\w-]+)?
      | opencode-codex-auth
      | opencode-(?:chatgpt-multi-auth|multi-auth-codex)
      | oc-(?:chatgpt|codex)-multi-auth
      | @openhax/codex
    )
    (?![\w-])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_OWN_SETTINGS = "openai-codex-auth-config"  # the plugin's settings file, named in a build of it
_LITERAL = re.compile(r"""(["'`])((?:(?!\1)[^\n])+)\1""")
_MAX_FILE_SIZE = 1 << 20

# What the plugin's template configuration sets for all models.
_TEMPLATE: Mapping[str, Any] = {
    "reasoningEffort": "medium",
    "reasoningSummary": "auto",
    "textVerbosity": "medium",
    "include": ["reasoning.encrypted_content"],
    "store": False,
}
_OPTIONS = ("provider", "openai", "options")
_LISTS = ("plugin", "plugins")


class Found(NamedTuple):
    """A plugin of that kind: `entry` as listed in `file`, or "" if `file` is the plugin itself."""

    file: Path
    entry: str


def find(environ: Mapping[str, str], cwd: Path, home: Path) -> list[Found]:
    """Return the plugins that OpenCode would load if started in `cwd`. Files that cannot be parsed are skipped."""
    files = opencode_paths.paths(environ, cwd, home)
    plugins = [Found(file, entry) for file in dict.fromkeys(files) for _, _, entry in _entries(_document(file))]
    own = {files[0].parent}
    if special := environ.get("OPENCODE_CONFIG_DIR"):
        own.add(cwd / special)
    for folder in dict.fromkeys(file.parent for file in files):
        if folder in own or folder.name == ".opencode":
            plugins += (Found(file, "") for file in _modules(folder) if _is_plugin(file))
    return plugins


def removal(document: editor.Document) -> list[editor.JsonPath]:
    """Return what to drop from a configuration to remove the plugin.

    That is its entries, the list if it holds nothing else, and the options for all models from the plugin's template,
    where they are unchanged. Options do not show where they come from, so they go only together with an entry.
    """
    value = document.value
    paths: list[editor.JsonPath] = []
    for name in _LISTS:
        entries = [(name, index) for each, index, _ in _entries(value) if each == name]
        if entries and len(entries) == len(value[name]) and not document.has_comment((name,)):
            paths.append((name,))
        else:
            paths += entries
    if not paths:
        return []
    options: Any = value
    for name in _OPTIONS:
        options = options.get(name) if isinstance(options, dict) else None
    if isinstance(options, dict):
        unchanged = [name for name in options if name in _TEMPLATE and options[name] == _TEMPLATE[name]]
        if len(unchanged) == len(options) and not document.has_comment(_OPTIONS):
            paths.append(_OPTIONS)
        else:
            paths += ((*_OPTIONS, name) for name in unchanged)
    return paths


def _entries(document: object) -> Iterator[tuple[str, int, str]]:
    """Yield the list, the index and the name of each entry."""
    for name in _LISTS:
        plugins = document.get(name) if isinstance(document, dict) else None
        for index, item in enumerate(plugins if isinstance(plugins, list) else []):
            entry = item[0] if isinstance(item, list) and item else item
            entry = entry.get("package") if isinstance(entry, dict) else entry
            if isinstance(entry, str) and _NAMES.search(entry):
                yield name, index, entry


def _document(file: Path) -> object:
    try:
        return parser.parse(_text(file))
    except (OSError, ValueError):
        return None


def _modules(folder: Path) -> list[Path]:
    try:
        return sorted(file for name in ("plugin", "plugins") for file in (folder / name).glob("*.[jt]s"))
    except OSError:
        return []


def _is_plugin(file: Path) -> bool:
    """Return whether a module is the plugin: by its name, by the target of a link, or by what it loads."""
    try:
        if _NAMES.search(file.stem) or _NAMES.search(str(file.resolve())):
            return True
        text = _text(file)
    except (OSError, RuntimeError):  # a loop of links raises the latter before Python 3.13
        return False
    literals = (match[2] for match in _LITERAL.finditer(text))
    return any(_NAMES.search(literal) or _OWN_SETTINGS in literal for literal in literals)


def _text(file: Path) -> str:
    """Return the beginning of a regular file. Raises OSError."""
    if not file.is_file():
        return ""
    with file.open("rb") as stream:
        return stream.read(_MAX_FILE_SIZE).decode("utf-8-sig", errors="replace")
