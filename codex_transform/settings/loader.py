"""The settings in force: where each value comes from, and how the config file is written.

For each setting the first source that has a value decides: option, environment, config file, opencode.json (base URL
only), default. A value that cannot be used is never replaced by one from a lower source: with a typo in
CODEX_BASE_URL the key must not travel to an address that another file names. The setting then counts as not set,
and a `Problem` explains why. In every source an empty value counts as not set.
"""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from codex_transform.errors import InvalidValue, problem_and_fix
from codex_transform.fsutil import fix_for, write_private
from codex_transform.jsonc import parser
from codex_transform.jsonio import describe_type, dumps
from codex_transform.opencode.config import OpenCodeConfig
from codex_transform.redaction import Secret
from codex_transform.settings.options import OPTIONS, Settings
from codex_transform.settings.state_url import StateUrl

if TYPE_CHECKING:
    from codex_transform.settings.endpoints import EndpointSettings

ENDPOINTS = "endpoints"
"""The key of the list of endpoints in the config file."""

_RESTRICTING: Mapping[str, Mapping[str, object]] = {"trusted_proxies": {}, "limits_fail": {"limits_fail": "closed"}}
"""Settings without which others may do more than with them, and what is set while theirs cannot be used.

Of `trusted_proxies` the problem is enough: nobody is let in (`proxy/addons/client_access.py`).
"""


class Problem(NamedTuple):
    """Something to tell the user.

    `setting` is the field at fault, None for the config file as a whole; `source` is where the value came from;
    `finding` says what is wrong and names it, and `fix`, an imperative, what to do, "" if that is clear. Neither shows
    a key. With a `warning` the value is used all the same.
    """

    setting: str | None
    source: str
    finding: str
    fix: str = ""
    warning: bool = False

    @property
    def message(self) -> str:
        """The finding and the fix."""
        return f"{self.finding}: {self.fix}" if self.fix else self.finding


class LoadedSettings(NamedTuple):
    """The settings in force, where each comes from ("default", or a name that users know), and what is wrong.

    `endpoints` are those of the config file's list, empty if there is none or something that goes before it.
    """

    settings: Settings
    sources: Mapping[str, str]
    problems: tuple[Problem, ...]
    endpoints: "tuple[EndpointSettings, ...]" = ()


def load(
    options: Mapping[str, object], environ: Mapping[str, str], config_file: Path, opencode: OpenCodeConfig
) -> LoadedSettings:
    """Return the settings from all sources. It never raises: what is wrong is in `problems`.

    `options` holds only the mitmproxy options that the user set. While the config file is damaged, opencode.json
    cannot set the base URL, because the file that has precedence may name another one.
    """
    values: dict[str, Any] = {}
    sources = {option.field: "default" for option in OPTIONS}
    problems: list[Problem] = []
    document: dict[str, Any] = {}
    base_url = opencode.base_url
    damaged: bytes | None = b""
    try:
        document = read_document(config_file)
        problems += _permission_problems(config_file)
    except InvalidValue as error:
        fix = f"{error.fix}. Until then nothing in it is used"
        problems.append(Problem(None, str(config_file), error.problem, fix))
        if base_url:
            source = f"provider.openai.baseURL in {opencode.base_url_file}"
            problems.append(
                Problem("base_url", source, f"{source}: not used while {config_file} is damaged", "fix that file")
            )
            base_url = None
        damaged = _text_of(config_file)
    for option in OPTIONS:
        candidates: list[tuple[str, object]] = [
            (option.option, options.get(option.option)),
            (option.environ, environ.get(option.environ)),
            (f"{option.key} in {config_file}", document.get(option.key)),
        ]
        if option.field == "base_url":
            candidates.append((f"provider.openai.baseURL in {opencode.base_url_file}", base_url))
        for source, value in candidates:
            if is_unset(value):
                continue
            try:
                values[option.field] = option.read(value)
                sources[option.field] = source
            except ValueError as error:
                finding, fix = problem_and_fix(error)
                problems.append(Problem(option.field, source, f"{source}: {finding}", fix))
                values |= _RESTRICTING.get(option.field, {})
            break
        else:
            if option.field in _RESTRICTING and (damaged is None or option.key.encode() in damaged):
                source = f"{option.key} in {config_file}"
                problems.append(
                    Problem(option.field, source, f"{source}: not known while the file cannot be used", "fix it first")
                )
                values |= _RESTRICTING[option.field]
    endpoints: tuple[EndpointSettings, ...] = ()
    if not is_unset(document.get(ENDPOINTS)):
        # Few have a list, and what checks it takes time to import.
        from codex_transform.settings.endpoints import read_endpoints

        source = f"{ENDPOINTS} in {config_file}"
        try:
            endpoints = read_endpoints(document[ENDPOINTS])
        except ValueError as error:
            finding, fix = problem_and_fix(error)
            problems.append(Problem("base_url", source, f"{source}: {finding}", fix))
            values.pop("base_url", None)
        nearer = [sources[name] for name in ("base_url", "api_key") if not _is_in_file(sources[name], config_file)]
        if endpoints and nearer:
            finding = f"{source}: not used, because {nearer[0]} is set"
            problems.append(Problem(None, source, finding, "unset that, or remove the list", warning=True))
            endpoints = ()
        elif endpoints:
            values["base_url"], values["api_key"] = endpoints[0].base_url, endpoints[0].api_key
            sources["base_url"] = sources["api_key"] = f"{endpoints[0].name} of {source}"
    return LoadedSettings(Settings(**values), sources, tuple(problems), endpoints)


def save(config_file: Path, updates: Mapping[str, object]) -> None:
    """Change settings in the config file.

    `updates` maps field names to values; None or an empty value removes the key. All other keys stay, in their order.
    The file is replaced in one step and readable only by its owner. Raises ValueError for a value that `load` would
    refuse, an unknown field, or a file that holds no JSON object, and OSError if it cannot be written; the file then
    stays as it was.
    """
    by_field = {option.field: option for option in OPTIONS}
    document = read_document_to_change(config_file)
    for field, value in updates.items():
        if field not in by_field:
            raise ValueError(f"there is no setting {field!r}")
        option = by_field[field]
        if is_unset(value):
            document.pop(option.key, None)
            continue
        try:
            document[option.key] = _to_json(option.read(value))
        except ValueError as error:
            raise ValueError(f"{option.key}: {error}") from None
    write_private(config_file, dumps(document, indent=2) + b"\n")


def read_document(config_file: Path) -> dict[str, Any]:
    """Return the object in the config file, empty if there is no such file. Raises InvalidValue."""
    try:
        text = config_file.read_bytes().decode("utf-8-sig")
        document = parser.parse(text, strict=True) if text.strip() else {}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidValue(f"{config_file} cannot be read ({error.strerror or error})", fix_for(error)) from None
    except UnicodeDecodeError:
        raise InvalidValue(f"{config_file} is not UTF-8 text", "save it as UTF-8") from None
    except parser.JsonError as error:
        raise InvalidValue(f"{config_file} is damaged, {error}", "fix it there, or delete the file") from None
    if isinstance(document, dict):
        return document
    finding = f"{config_file} must hold an object in braces, not {describe_type(document)}"
    raise InvalidValue(finding, "write one, or delete the file")


def read_document_to_change(config_file: Path) -> dict[str, Any]:
    """Do the same, with an error that says that nothing was saved. Raises ValueError."""
    try:
        return read_document(config_file)
    except ValueError as error:
        raise ValueError(f"nothing was saved: {error}") from None


def _text_of(config_file: Path) -> bytes | None:
    """Return what a file that cannot be used holds, in any encoding of ASCII, None if that cannot be read."""
    try:
        return config_file.read_bytes().replace(b"\0", b"")
    except (IsADirectoryError, NotADirectoryError):
        return b""
    except OSError:
        return None


def _permission_problems(config_file: Path) -> list[Problem]:
    """Return a warning if other users can read the file."""
    try:
        mode = config_file.stat().st_mode
    except OSError:
        return []
    if os.name != "posix" or not mode & 0o077:
        return []
    fix = f"run `chmod 600 {shlex.quote(str(config_file))}`"
    return [Problem(None, str(config_file), f"{config_file} can be read by other users", fix, warning=True)]


def _is_in_file(source: str, config_file: Path) -> bool:
    """Return whether a value comes from the config file, or from what it goes before."""
    return source == "default" or source.endswith(f" in {config_file}") or source.startswith("provider.openai.")


def is_unset(value: object) -> bool:
    """Return whether a value counts as not set."""
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], ())


def _to_json(value: object) -> object:
    """Return a value in force as JSON holds it."""
    if isinstance(value, Secret):
        return value.value
    if isinstance(value, StateUrl):
        return value.text
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value
