"""What OpenCode's own configuration says about the provider `openai`.

Only the few members that matter here are taken out of each file and then merged as OpenCode merges, so whatever
else the files hold cannot do harm. Where OpenCode would refuse to start, this warns and goes on: a proxy that
stopped would help nobody.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from codex_transform.jsonc import parser
from codex_transform.opencode import paths as opencode_paths
from codex_transform.opencode.paths import paths, signature

__all__ = ["ModelOptions", "OpenCodeConfig", "load", "paths", "signature"]

_Object = dict[str, Any]


class ModelOptions(BaseModel):
    """What a request takes over where it does not say itself; `include` is what to ask for besides."""

    model_config = ConfigDict(frozen=True)

    effort: str | None = None
    summary: str | None = None
    verbosity: str | None = None
    include: tuple[str, ...] = ()


class OpenCodeConfig:
    """The merged configuration of the provider `openai`.

    `base_url` is `provider.openai.baseURL`, the Codex endpoint, and `base_url_file` the file that it came from.
    `client_base_url` is `provider.openai.options.baseURL`: where OpenCode itself sends its requests, which is the
    proxy's own address in reverse mode and so never an endpoint. Empty values are None. `files` are all files
    that were read or would have been had they existed: `signature(files)` changes when one of them does.
    """

    def __init__(
        self,
        provider: Mapping[str, Any] | None = None,
        base_url_file: str | None = None,
        files: Iterable[Path] = (),
    ) -> None:
        """Hold members of `provider.openai`, of the types that OpenCode documents."""
        provider = provider or {}
        self._options: Mapping[str, Any] = provider.get("options", {})
        self._models: Mapping[str, Any] = provider.get("models", {})
        self.base_url: str | None = provider.get("baseURL") or None
        self.base_url_file = base_url_file if self.base_url else None
        self.client_base_url: str | None = self._options.get("baseURL") or None
        self.files = tuple(files)

    def options_for(self, name: str) -> ModelOptions:
        """Return the options for the model that a request names: variant over model over provider.

        `name` is a key of `provider.openai.models`, or the `id` of such an entry, or one of these with a hyphen and
        the name of one of its variants behind it. Any other name gets the provider's options.
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
    """Return what OpenCode would have as its configuration if started in `cwd`, and warnings for a person.

    Never raises.

    A file that cannot be used is left out, and so is each value of a wrong type. A `baseURL` of a wrong type counts
    as none at all, so that a slip in one file does not send a key to what another file names. The base URL of a file
    that came with the project is not used: a cloned repository must not be able to have the key sent to it.
    """
    found = opencode_paths.read(environ, cwd, home)
    warnings = list(found.warnings)
    provider: _Object = {}
    base_url_file: str | None = None
    for source in found.sources:
        try:
            document = parser.parse(source.text)
        except parser.JsonError as error:
            warnings.append(f"{source.name}: {error}. Fix it there; until then nothing in this file is used")
            continue
        taken = _ProviderReader(source.name, warnings).provider(document)
        if source.of_project and taken.pop("baseURL", None):
            warnings.append(
                f"{source.name}: provider.openai.baseURL is not used from a project's file; set CODEX_BASE_URL"
            )
        elif "baseURL" in taken:
            base_url_file = source.name
        provider = _merge(provider, taken)
    return OpenCodeConfig(provider, base_url_file, found.files), warnings


class _ProviderReader:
    """Takes the members that matter out of one file, and warns of those that have a wrong type."""

    def __init__(self, source: str, warnings: list[str]) -> None:
        self._source = source
        self._warnings = warnings

    def provider(self, document: object) -> _Object:
        if not isinstance(document, dict):
            self._warnings.append(f"{self._source}: must hold an object, not {parser.describe_type(document)}")
            return {}
        openai = self._object(self._object(document, "", "provider"), "provider.", "openai")
        where = "provider.openai."
        taken: _Object = {
            "options": self._options(self._object(openai, where, "options"), f"{where}options."),
            "models": self._each(openai, where, "models", self._model),
        }
        if "baseURL" in openai:
            taken["baseURL"] = self._text(openai, where, "baseURL")
        return taken

    def _model(self, model: _Object, where: str) -> _Object:
        taken: _Object = {
            "options": self._options(self._object(model, where, "options"), f"{where}options."),
            "variants": self._each(model, where, "variants", self._options),
        }
        if name := self._text(model, where, "id"):
            taken["id"] = name
        return taken

    def _options(self, options: _Object, where: str) -> _Object:
        taken: _Object = {}
        for name in ("reasoningEffort", "reasoningSummary", "textVerbosity", "baseURL"):
            # A null stays: in OpenCode it takes back what an earlier file said.
            if name in options and (options[name] is None or self._text(options, where, name) is not None):
                taken[name] = options[name]
        if "include" in options:
            include = options["include"]
            if include is None or (isinstance(include, list) and all(isinstance(i, str) for i in include)):
                taken["include"] = include
            else:
                self._warn(f"{where}include", "a list of texts", include)
        if "disabled" in options:  # said of a variant; OpenCode asks only whether it is truthy
            taken["disabled"] = bool(options["disabled"])
        return taken

    def _each(
        self, parent: _Object, where: str, name: str, take: Callable[[_Object, str], _Object]
    ) -> dict[str, _Object]:
        members = self._object(parent, where, name)
        where = f"{where}{name}."
        return {key: take(self._object(members, where, key), f"{where}{key}.") for key in members}

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

    def _warn(self, where: str, wanted: str, value: object) -> None:
        self._warnings.append(f"{self._source}: {where} must be {wanted}, not {parser.describe_type(value)}; ignored")


def _merge(lower: _Object, upper: _Object) -> _Object:
    """Objects are merged member by member; anything else in `upper` replaces what `lower` has."""
    merged = lower | upper
    for key in lower.keys() & upper.keys():
        if isinstance(lower[key], dict) and isinstance(upper[key], dict):
            merged[key] = _merge(lower[key], upper[key])
    return merged
