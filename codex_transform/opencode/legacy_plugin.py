"""Finds the OpenCode plugin that this package replaces, and its relatives, wherever OpenCode would load one from.

With such a plugin a request is transformed twice, or goes past the proxy to another host. OpenCode loads what the list
`plugin` of each of its configuration files names (npm packages, git addresses, paths; since 1.18 also a pair of a name
and options), and every .ts and .js file in the folders `plugin` and `plugins` beside its own files. An entry is
recognised by a name in it: that of a package is also that of its repository and of the folder that it is installed in.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from codex_transform.jsonc import editor, parser
from codex_transform.opencode import paths as opencode_paths

# opencode-openai-codex-key is the plugin for endpoints with a key; it comes from opencode-openai-codex-auth, which has
# forks under names of their own. All of them take over the provider `openai`.
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
_OWN_SETTINGS = "openai-codex-auth-config"  # the settings file of the plugin, named in a build of it
_LITERAL = re.compile(r"""(["'`])((?:(?!\1)[^\n])+)\1""")
_LARGEST_FILE = 1 << 20

# What the plugin's ready-made configuration sets for all models.
_TEMPLATE: Mapping[str, Any] = {
    "reasoningEffort": "medium",
    "reasoningSummary": "auto",
    "textVerbosity": "medium",
    "include": ["reasoning.encrypted_content"],
    "store": False,
}
_OPTIONS = ("provider", "openai", "options")


class Found(NamedTuple):
    """A plugin of that kind: `entry` as it stands in the list of `file`, or "" if `file` is the plugin itself."""

    file: Path
    entry: str


def find(environ: Mapping[str, str], cwd: Path, home: Path) -> list[Found]:
    """Return the plugins that OpenCode would load if started in `cwd`.

    Files that cannot be read or parsed hold none.
    """
    files = opencode_paths.paths(environ, cwd, home)
    found = [Found(file, entry) for file in dict.fromkeys(files) for _, entry in _entries(_document(file))]
    own = {files[0].parent}
    if special := environ.get("OPENCODE_CONFIG_DIR"):
        own.add(cwd / special)
    for folder in dict.fromkeys(file.parent for file in files):
        if folder in own or folder.name == ".opencode":
            found += (Found(file, "") for file in _modules(folder) if _is_ours(file))
    return found


def removal(document: editor.Document) -> list[editor.JsonPath]:
    """Return what to drop from a configuration to be rid of the plugin.

    Its entries, the list if it holds nothing else, and the options for all models that came with it, where they are
    still as they came.

    Options say nothing about where they come from, so they go only together with an entry of the plugin.
    """
    value = document.value
    entries = [("plugin", index) for index, _ in _entries(value)]
    if not entries:
        return []
    gone: list[editor.JsonPath] = [*entries]
    if len(entries) == len(value["plugin"]) and not document.has_comment(("plugin",)):
        gone = [("plugin",)]
    options: Any = value
    for name in _OPTIONS:
        options = options.get(name) if isinstance(options, dict) else None
    if isinstance(options, dict):
        theirs = [name for name in options if name in _TEMPLATE and options[name] == _TEMPLATE[name]]
        if len(theirs) == len(options) and not document.has_comment(_OPTIONS):
            gone.append(_OPTIONS)
        else:
            gone += ((*_OPTIONS, name) for name in theirs)
    return gone


def _entries(document: object) -> Iterator[tuple[int, str]]:
    plugins = document.get("plugin") if isinstance(document, dict) else None
    for index, item in enumerate(plugins if isinstance(plugins, list) else []):
        entry = item[0] if isinstance(item, list) and item else item
        if isinstance(entry, str) and _NAMES.search(entry):
            yield index, entry


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


def _is_ours(file: Path) -> bool:
    """Whether a module is the plugin: by its own name, by where a link leads, or by what it loads."""
    try:
        if _NAMES.search(file.stem) or _NAMES.search(str(file.resolve())):
            return True
        text = _text(file)
    except (OSError, RuntimeError):  # a link in a circle is the latter before Python 3.13
        return False
    literals = (match[2] for match in _LITERAL.finditer(text))
    return any(_NAMES.search(literal) or _OWN_SETTINGS in literal for literal in literals)


def _text(file: Path) -> str:
    """Return the beginning of an ordinary file. Raises OSError."""
    if not file.is_file():
        return ""
    with file.open("rb") as stream:
        return stream.read(_LARGEST_FILE).decode("utf-8-sig", errors="replace")
