"""OpenCode: found, of a version that was tried, with a configuration and a login that lead to the proxy."""

from collections.abc import Iterator
from typing import Any

from codex_transform import catalog, shells
from codex_transform.doctor import runtime
from codex_transform.doctor.result import Finding, Patient, fault, ok, warning
from codex_transform.doctor.terminal import is_meant_for_us
from codex_transform.jsonc import parser
from codex_transform.launcher import child_env
from codex_transform.opencode import legacy_plugin
from codex_transform.opencode import paths as opencode_paths

_OLDEST = (1, 1)
# Where `provider.openai.baseURL` was first seen not to matter; 1.1.65 and 1.3.2 do not start with it.
_TAKES_BASE_URL = (1, 18)
_UPGRADE = "Run `opencode upgrade`."


def program(patient: Patient) -> Iterator[Finding]:
    """Yield the program and its version."""
    path = runtime.find(patient.environ)
    if path is None:
        yield fault("OpenCode", "is not on the PATH", "Install it: see https://opencode.ai, or `npm i -g opencode-ai`.")
        return
    version = runtime.version(path, patient.environ)
    numbers = runtime.numbers(version)
    if not numbers:
        mend = "`opencode --version` says why; if it does not, install it again: see https://opencode.ai."
        yield fault("OpenCode", f"{path} does not run", mend)
    elif numbers < _OLDEST:
        yield warning("OpenCode", f"{version} ({path}) is older than any that this was tried with", _UPGRADE)
    else:
        yield ok("OpenCode", f"{version} ({path})")


def configuration(patient: Patient) -> Iterator[Finding]:
    """Its configuration files."""
    found = [_complaint(patient, message) for message in patient.opencode_warnings]
    if patient.opencode.base_url_file:
        path = runtime.find(patient.environ)
        numbers = runtime.numbers(runtime.version(path, patient.environ) if path else None)
        if numbers < _TAKES_BASE_URL:
            says = (
                f"provider.openai.baseURL in {patient.opencode.base_url_file} keeps OpenCode 1.1 and 1.3 from starting"
            )
            mend = "Take it out there; `codex-transform login` keeps the base URL."
            found.append((fault if numbers else warning)("configuration", says, mend))
    names = [source.name for source in opencode_paths.read(patient.environ, patient.cwd, patient.home).sources]
    yield from found or [ok("configuration", ", ".join(dict.fromkeys(names)) or "none, and none is needed")]


def models(patient: Patient) -> Iterator[Finding]:
    """Yield the models that it names for the provider."""
    names = _models(patient)
    unknown = [name for name in names if catalog.resolve(name).model is None]
    if unknown:
        says = f"not in the catalogue, so sent as they are: {', '.join(unknown)}"
        yield warning(
            "models", says, "If your endpoint does not have them, `codex-transform config` writes those known."
        )
    elif names:
        yield ok("models", f"{len(names)} configured")
    else:
        yield ok("models", "none configured: OpenCode offers those that it knows; `codex-transform config` adds all")


def plugins(patient: Patient) -> Iterator[Finding]:
    """Yield the plugin that this replaces, still there."""
    found = legacy_plugin.find(patient.environ, patient.cwd, patient.home)
    for each in found:
        says = f"{each.entry or each.file.name} is still loaded ({each.file}): both at once transform a request twice"
        mend = "Run `codex-transform config`, which offers to take it out." if each.entry else f"Delete {each.file}."
        yield fault("plugin", says, mend)
    if not found:
        yield ok("plugin", "none that does the same")


def login(patient: Patient) -> Iterator[Finding]:
    """Yield the key that OpenCode begins with. With a ChatGPT login it talks to ChatGPT, whatever key there is."""
    without_key = {**patient.environ, "OPENAI_API_KEY": ""}
    _, chatgpt = child_env.key(without_key, patient.home)
    missing, _ = child_env.key(patient.environ, patient.home)
    if chatgpt:
        says = "OpenCode is logged in to ChatGPT, and so goes there instead of to the proxy"
        yield fault("login", says, "Run `opencode auth logout` and choose OpenAI.")
    elif missing and patient.loaded.settings.forward_client_key:
        yield fault("login", "OpenCode has no OpenAI key, which is to be sent on", "Set OPENAI_API_KEY to it.")
    elif missing and (is_meant_for_us(patient) or patient.opencode.client_base_url):
        dummy = shells.at_hand("OPENAI_API_KEY", child_env.DUMMY_KEY)
        mend = f"`codex-transform run opencode` gives it a dummy; without that, {dummy}."
        yield fault("login", "OpenCode has no OpenAI key to begin with", mend)
    elif missing:
        yield ok("login", "OpenCode gets a key to begin with from `codex-transform run opencode`")
    else:
        yield ok("login", "OpenCode has a key to begin with")


def _complaint(patient: Patient, message: str) -> Finding:
    """OpenCode does not start with a file that it cannot read."""
    stops = any(message.startswith(f"{file}: line ") for file in _files(patient))
    mend = "Mend it there." if stops else "Mend it there; the rest of the file is used."
    return (fault if stops else warning)("configuration", message.partition(". Mend it there")[0], mend)


def _files(patient: Patient) -> list[Any]:
    return list(dict.fromkeys(opencode_paths.paths(patient.environ, patient.cwd, patient.home)))


def _models(patient: Patient) -> list[str]:
    names: list[str] = []
    for source in opencode_paths.read(patient.environ, patient.cwd, patient.home).sources:
        try:
            value: Any = parser.parse(source.text)
        except parser.JsonError:
            continue
        for member in ("provider", "openai", "models"):
            value = value.get(member) if isinstance(value, dict) else None
        names += value if isinstance(value, dict) else ()
    return list(dict.fromkeys(names))
