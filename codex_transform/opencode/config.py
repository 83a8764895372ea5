"""The provider `openai` in OpenCode's own configuration.

Only the few members that matter here are read from each file and then merged as OpenCode merges them, so nothing else
in the files can do harm. Where OpenCode would refuse to start, this warns and continues: a stopped proxy would help
nobody. What OpenCode 2 has in a new form (`providers`, `settings`, variants as a list) is read into the old one. Where
a file has the provider in both, the new one counts, as in OpenCode 2.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from codex_transform.jsonc import parser
from codex_transform.jsonio import describe_type
from codex_transform.opencode import paths as opencode_paths
from codex_transform.opencode.paths import paths, signature

__all__ = ["ModelOptions", "OpenCodeConfig", "load", "paths", "signature"]

_Object = dict[str, Any]


class ModelOptions(NamedTuple):
    """Defaults for what a request leaves out; `include` is added to that of the request."""

    effort: str | None = None
    summary: str | None = None
    verbosity: str | None = None
    include: tuple[str, ...] = ()


class OpenCodeConfig:
    """The merged configuration of the provider `openai`.

    `base_url` is `provider.openai.baseURL`, the Codex endpoint, and `base_url_file` the file that it came from.
    `client_base_url` is `provider.openai.options.baseURL`: where OpenCode itself sends its requests. In reverse mode
    that is the proxy's own address, so it is never an endpoint. Empty values are None. `header_names` are the names, in
    lower case, of the header fields that the user has OpenCode send. `files` are all files that were read or would be
    if they existed: `signature(files)` changes when one of them does.
    """

    def __init__(
        self,
        provider: Mapping[str, Any] | None = None,
        base_url_file: str | None = None,
        files: Iterable[Path] = (),
    ) -> None:
        """Take members of `provider.openai`, of the types that OpenCode documents."""
        provider = provider or {}
        self._options: Mapping[str, Any] = provider.get("options", {})
        self._models: Mapping[str, Any] = provider.get("models", {})
        self.base_url: str | None = provider.get("baseURL") or None
        self.base_url_file = base_url_file if self.base_url else None
        self.client_base_url: str | None = self._options.get("baseURL") or None
        self.header_names: frozenset[str] = frozenset(name.lower() for name in provider.get("headers", {}))
        self.files = tuple(files)

    def options_for(self, name: str) -> ModelOptions:
        """Return the options for the model that a request names: variant over model over provider.

        `name` is a key of `provider.openai.models`, or the `id` of such an entry, or one of these followed by a hyphen
        and the name of one of its variants. Any other name gets the provider's options.
        """
        options: _Object = {}
        for layer in (self._options, *self._layers(name)):
            options.update(layer)
        return ModelOptions(
            effort=options.get("reasoningEffort") or None,
            summary=options.get("reasoningSummary") or None,
            verbosity=options.get("textVerbosity") or None,
            include=tuple(options.get("include") or ()),
        )

    def _layers(self, name: str) -> list[Mapping[str, Any]]:
        by_id = [(model["id"], model) for model in self._models.values() if model.get("id")]
        named = [*self._models.items(), *by_id]
        for key, model in named:
            if key == name:
                return [model.get("options", {})]
        for key, model in named:
            for variant, options in model.get("variants", {}).items():
                if name == f"{key}-{variant}" and not options.get("disabled"):
                    return [model.get("options", {}), options]
        return []


def load(environ: Mapping[str, str], cwd: Path, home: Path) -> tuple[OpenCodeConfig, list[str]]:
    """Return the configuration that OpenCode would have if started in `cwd`, and warnings. This never raises.

    A file that cannot be used is left out, and so is each value of a wrong type. A `baseURL` of a wrong type counts as
    unset, so that with a typo in one file the key is not sent to an address from another. The base URL of a project's
    file is not used: a cloned repository must not be able to redirect the key to itself.
    """
    read = opencode_paths.read(environ, cwd, home)
    warnings = list(read.warnings)
    provider: _Object = {}
    base_url_file: str | None = None
    for source in read.sources:
        try:
            document = parser.parse(source.text)
        except parser.JsonError as error:
            warnings.append(f"{source.name}: {error}. Fix it there; until then nothing in this file is used")
            continue
        members = _ProviderReader(source.name, warnings).provider(document)
        if source.of_project and members.pop("baseURL", None):
            warnings.append(
                f"{source.name}: provider.openai.baseURL is not used from a project's file; set CODEX_BASE_URL"
            )
        elif "baseURL" in members:
            base_url_file = source.name
        provider = _merge(provider, members)
    return OpenCodeConfig(provider, base_url_file, read.files), warnings


class _Names(NamedTuple):
    """What the members that matter are called in a form."""

    provider: str
    options: str
    id: str


_OLD = _Names("provider", "options", "id")
_NEW = _Names("providers", "settings", "modelID")
_ABSENT = object()


class _ProviderReader:
    """Reads the members that matter from one file, and warns about those of a wrong type."""

    def __init__(self, source: str, warnings: list[str]) -> None:
        self._source = source
        self._warnings = warnings
        self._headers: _Object = {}

    def provider(self, document: object) -> _Object:
        if not isinstance(document, dict):
            self._warnings.append(f"{self._source}: must hold an object, not {describe_type(document)}")
            return {}
        openai = self._object(self._object(document, "", "provider"), "provider.", "openai")
        new = self._object(self._object(document, "", "providers"), "providers.", "openai")
        names = _NEW if new else _OLD
        where = f"{names.provider}.openai."
        base_url = self._text(openai, "provider.openai.", "baseURL") if "baseURL" in openai else _ABSENT
        openai = new or openai
        self._headers = {}
        members: _Object = {
            "options": self._options(self._object(openai, where, names.options), f"{where}{names.options}."),
            "models": self._each(openai, where, "models", lambda model, at: self._model(model, at, names)),
        }
        self._add_headers(openai)
        if self._headers:
            members["headers"] = self._headers
        if base_url is not _ABSENT:
            members["baseURL"] = base_url
        return members

    def _model(self, model: _Object, where: str, names: "_Names") -> _Object:
        members: _Object = {
            "options": self._options(self._object(model, where, names.options), f"{where}{names.options}."),
            "variants": self._each(model, where, "variants", self._options)
            if names is _OLD
            else self._listed(model, where),
        }
        self._add_headers(model)
        if name := self._text(model, where, names.id):
            members["id"] = name
        return members

    def _listed(self, model: _Object, where: str) -> dict[str, _Object]:
        """Return variants that are a list by their names."""
        variants = model.get("variants", [])
        if not isinstance(variants, list):
            self._warn(f"{where}variants", "a list", variants)
            return {}
        found: dict[str, _Object] = {}
        for index, each in enumerate(variants):
            at = f"{where}variants.{index}"
            if not isinstance(each, dict):
                self._warn(at, "an object", each)
            elif name := self._text(each, f"{at}.", "id"):
                found[name] = self._options(self._object(each, f"{at}.", "settings"), f"{at}.settings.")
                self._add_headers(each)
        return found

    def _add_headers(self, entry: _Object) -> None:
        headers = entry.get("headers")
        self._headers |= dict.fromkeys(headers, True) if isinstance(headers, dict) else {}

    def _options(self, options: _Object, where: str) -> _Object:
        members: _Object = {}
        self._add_headers(options)
        for name in ("reasoningEffort", "reasoningSummary", "textVerbosity", "baseURL"):
            # A null stays: in OpenCode it resets the value of an earlier file.
            if name in options and (options[name] is None or self._text(options, where, name) is not None):
                members[name] = options[name]
        if "include" in options:
            include = options["include"]
            if include is None or (isinstance(include, list) and all(isinstance(i, str) for i in include)):
                members["include"] = include
            else:
                self._warn(f"{where}include", "a list of texts", include)
        if "disabled" in options:  # of a variant; OpenCode only tests whether it is truthy
            members["disabled"] = bool(options["disabled"])
        return members

    def _each(
        self, parent: _Object, where: str, name: str, read: Callable[[_Object, str], _Object]
    ) -> dict[str, _Object]:
        parsed = self._object(parent, where, name)
        where = f"{where}{name}."
        return {key: read(self._object(parsed, where, key), f"{where}{key}.") for key in parsed}

    def _object(self, parent: _Object, where: str, name: str) -> _Object:
        value = parent.get(name, {})
        if isinstance(value, dict):
            return value
        self._warn(where + name, "an object", value)
        return {}

    def _text(self, parent: _Object, where: str, name: str) -> str | None:
        value = parent.get(name)
        if value is None or isinstance(value, str):
            return value
        self._warn(where + name, "text", value)
        return None

    def _warn(self, where: str, expected: str, value: object) -> None:
        self._warnings.append(f"{self._source}: {where} must be {expected}, not {describe_type(value)}; ignored")


def _merge(lower: _Object, upper: _Object) -> _Object:
    """Merge objects member by member; any other value in `upper` replaces that of `lower`."""
    merged = lower | upper
    for key in lower.keys() & upper.keys():
        if isinstance(lower[key], dict) and isinstance(upper[key], dict):
            merged[key] = _merge(lower[key], upper[key])
    return merged
