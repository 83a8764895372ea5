"""Addon: loads the settings from all sources and keeps them current.

The other addons ask it for settings; it reads mitmproxy's options, the environment, the config file and OpenCode's
own configuration, and notices when one of them changes.
"""

import logging
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from mitmproxy import ctx, exceptions
from mitmproxy.addonmanager import Loader
from mitmproxy.version import VERSION

from codex_transform import paths, shells
from codex_transform.endpoint.pool import Pool, Target
from codex_transform.endpoint.url import Endpoint, parse
from codex_transform.errors import ApiError
from codex_transform.opencode import config as opencode_config
from codex_transform.opencode.config import OpenCodeConfig
from codex_transform.people import register
from codex_transform.people.register import Register
from codex_transform.proxy.patches.option_sources import set_by_user
from codex_transform.redaction import redact
from codex_transform.settings import loader
from codex_transform.settings.loader import Problem
from codex_transform.settings.options import OPTIONS, Settings
from codex_transform.settings.state_url import StateUrl, parse_or_none
from codex_transform.state.shared_values import SharedValues

logger = logging.getLogger(__name__)

# The shortest time between two checks whether a file has changed, in seconds.
_CHECK_INTERVAL = 1.0

# The values of options with a key or a password, by their redacted form. mitmproxy reloads the script when it changes,
# and a new Config then finds the redacted option.
_secrets_by_hint: dict[str, str] = {}


class Config:
    """The settings in force, the endpoint that they lead to, and OpenCode's own configuration.

    `endpoint` is the first one; `targets` are those of the list `endpoints`, if there is one, and `pool` knows the
    state of each. `values` has what outlasts a call. `override` is the text of `codex_instructions_file`, `sources`
    says where each setting comes from, and `people` are those with keys of their own.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self.settings = Settings()
        self.sources: Mapping[str, str] = {}
        self.endpoint: Endpoint | None = None
        self.targets: tuple[Target, ...] = ()
        self.values = SharedValues()
        self.pool = Pool(self.values)
        self.override: str | None = None
        self.people = Register()
        self.opencode = OpenCodeConfig()
        self.home = paths.home_or_none()
        self.config_file = paths.config_file(self.home)
        self.clients_file = paths.clients_file(self.home)
        self._environ = environ
        # Read once, because it may be deleted while mitmproxy runs.
        self._cwd = Path.cwd()
        self._secrets: dict[str, str] = {}
        self._problems: tuple[Problem, ...] = ()
        self._said: set[str] = set()
        self._files: tuple[Path, ...] = ()
        self._signature: object = None
        self._checked_at = 0.0

    def load(self, loader: Loader) -> None:
        """Declare an option for every setting, and make mitmproxy connect only once a request has been read.

        Otherwise it would look for api.openai.com before any addon is asked, which fails where that is blocked.
        """
        for option in OPTIONS:
            loader.add_option(option.option, option.typespec, option.default, option.help)
        ctx.options.update(connection_strategy="lazy", upstream_cert=False)

    def configure(self, updated: set[str]) -> None:
        """Load the settings again, as options have changed. Raises OptionsError if an option has an invalid value."""
        names = {option.option for option in OPTIONS}
        if updated.isdisjoint(names) or self._hide_secret_options():
            return
        self._reload()
        wrong = [problem.message for problem in self._problems if problem.source in names]
        if wrong:
            raise exceptions.OptionsError("; ".join(wrong))

    def client_connected(self, _client: object) -> None:
        """Load the settings again if a file has changed: whoever is refused because of them sends no request."""
        self.refresh()

    def requestheaders(self, _flow: object) -> None:
        """Load the settings again if a file has changed since the last request."""
        self.refresh()

    def refresh(self) -> None:
        """Load the settings again if a file has changed, which is checked at intervals."""
        now = time.monotonic()
        if now - self._checked_at >= _CHECK_INTERVAL:
            self._checked_at = now
            if opencode_config.signature(self._files) != self._signature:
                self._reload()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems with the settings."""
        return self._problems

    def matches(self, host: str, port: int) -> bool:
        """Return whether `host` and `port` are those of an endpoint."""
        return any(endpoint.matches(host, port) for endpoint in self.endpoints)

    def target_of(self, host: str, port: int) -> Target | None:
        """Return the endpoint at `host` and `port` with its key; None if there is none, or it has no key."""
        if self.targets:
            return next((target for target in self.targets if target.endpoint.matches(host, port)), None)
        key = self.settings.api_key
        if key is None or self.endpoint is None or not self.endpoint.matches(host, port):
            return None
        return Target("", self.endpoint, key.value)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """All endpoints, the first one first."""
        return tuple(target.endpoint for target in self.targets) or ((self.endpoint,) if self.endpoint else ())

    def require_targets(self) -> tuple[Target, ...]:
        """Return the endpoints for calls. Raises ApiError 401, with the fix, if no endpoint or no key is set."""
        return self.targets or (Target("", self.require_endpoint(), self.require_key()),)

    def require_endpoint(self) -> Endpoint:
        """Return the endpoint. Raises ApiError 401, with the fix, if none is set."""
        if self.endpoint is None:
            raise self._missing("base_url")
        return self.endpoint

    def require_key(self) -> str:
        """Return the endpoint's API key. Raises ApiError 401, with the fix, if none is set."""
        if self.settings.api_key is None:
            raise self._missing("api_key")
        return self.settings.api_key.value

    def _hide_secret_options(self) -> bool:
        """Replace a key or a password in mitmproxy's options, which mitmweb shows, by its redacted form.

        Returns whether it did; that changed the options again, which has been handled.
        """
        hidden = {}
        for name, hint in (("codex_api_key", redact), ("codex_state", _without_password)):
            value = getattr(ctx.options, name)
            if not value or value in _secrets_by_hint or hint(value) == value:
                self._secrets[name] = _secrets_by_hint.get(value, "")
            else:
                hidden[name] = hint(value)
                self._secrets[name] = _secrets_by_hint[hidden[name]] = value
        if hidden:
            ctx.options.update(**hidden)
        return bool(hidden)

    def _reload(self) -> None:
        self.opencode, warnings = opencode_config.load(self._environ, self._cwd, self.home)
        by_options = set_by_user(option.option for option in OPTIONS)
        by_options |= {name: secret for name, secret in self._secrets.items() if secret}
        loaded = loader.load(by_options, self._environ, self.config_file, self.opencode)
        self.settings, self.sources, self._problems = loaded.settings, loaded.sources, loaded.problems
        self._load_people()
        self.endpoint = parse(self.settings.base_url) if self.settings.base_url else None
        self.targets = tuple(
            Target(each.name, each.endpoint, each.api_key.value, each.models, each.weight, each.priority)
            for each in loaded.endpoints
        )
        instructions = self.settings.instructions_file
        self.override = _text(instructions) if instructions else None
        self._files = (
            self.config_file,
            self.clients_file,
            *([instructions] if instructions else []),
            *self.opencode.files,
        )
        self._signature = opencode_config.signature(self._files)
        self._warn_once(warnings)
        self._warn_once(problem.message for problem in self._problems)
        self._warn_once(self._warnings(loaded.sources))

    def _load_people(self) -> None:
        """Load the clients that have keys; their keys are never forwarded."""
        self.people = register.load(self.clients_file) if self.settings.clients else Register()
        if self.people.problem:
            self._problems += (Problem(None, str(self.clients_file), self.people.problem, self.people.fix),)
        if self.people.defined and self.settings.forward_client_key:
            source = self.sources["forward_client_key"]
            finding = f"{source}: not used, because the endpoint would get the keys of {self.clients_file}"
            self._problems += (Problem("forward_client_key", source, finding, "turn it off"),)
            self.settings = replace(self.settings, forward_client_key=False)

    def _warnings(self, sources: Mapping[str, str]) -> Iterable[str]:
        if self.home == paths.NO_HOME:
            yield "there is no home folder (HOME is not set): no config file is read, and nothing is saved"
        if self.endpoint and self.endpoint.exposes_key:
            origin = self.endpoint.origin
            yield f"{sources['base_url']}: {origin} is plain http: the key travels unencrypted; use https"
        if sources["api_key"] == "codex_api_key":
            yield (
                "codex_api_key: on a command line the key is visible in the list of processes; "
                "set CODEX_API_KEY or the config file instead"
            )
        if "web_host" in ctx.options and "web_password" not in ctx.options:
            yield (
                f"mitmweb of mitmproxy {VERSION} has no password: every user of this machine can open it, read"
                " conversations and change options, and so get the key. Fix: install codex-transform with Python 3.12"
                " or newer, which gets a mitmweb with a password; until then use it only where nobody else has an"
                " account"
            )
        state = self.settings.state
        if sources["state"] == "codex_state" and isinstance(state, StateUrl) and state.password:
            yield (
                "codex_state: on a command line the password is visible in the list of processes; "
                "set CODEX_STATE or the config file instead"
            )

    def _warn_once(self, messages: Iterable[str]) -> None:
        """Log a warning unless it has been logged before: files are read again and again."""
        for message in messages:
            if message not in self._said:
                self._said.add(message)
                logger.warning(message)

    def _missing(self, field: str) -> ApiError:
        option = next(option for option in OPTIONS if option.field == field)
        for problem in self._problems:
            if problem.setting in (field, None) and not problem.warning:
                return ApiError(401, problem.message, code=f"{option.option}_invalid")
        return ApiError(
            401,
            f"{option.option} is not set, so the proxy does not know where to send this request or with which key. "
            "Run `codex-transform login`, which asks for both and saves them: they hold from the next request on. "
            f"Or run {shells.local_assignment('CODEX_BASE_URL', 'https://your-codex-api.com')} and "
            f"{shells.local_assignment('CODEX_API_KEY', 'sk-...')} before you start it",
            code=f"{option.option}_missing",
        )


def _without_password(value: str) -> str:
    """Return the redacted form of a value of `codex_state`."""
    url = parse_or_none(value)
    return url.shown if url and url.password else value


def _text(file: Path) -> str | None:
    """Return the text of the file.

    It was readable when the settings were checked a moment ago, but may no longer be.
    """
    try:
        return file.read_text("utf-8-sig")
    except (OSError, ValueError):
        return None
