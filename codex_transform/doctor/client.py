"""OpenCode: whether it is installed, in a supported version, and whether its configuration and login fit the proxy."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from codex_transform import catalog, shells
from codex_transform.doctor import runtime
from codex_transform.doctor.result import DoctorContext, Result, failure, ok, warning
from codex_transform.doctor.terminal import uses_our_proxy
from codex_transform.jsonc import parser
from codex_transform.launcher import child_env
from codex_transform.launcher.opencode_server import is_version_2
from codex_transform.opencode import forms, legacy_plugin
from codex_transform.opencode import paths as opencode_paths

_OLDEST = (1, 1)
# The first release tried that starts in spite of `provider.openai.baseURL`; 1.1.65 and 1.3.2 do not.
_TOLERATES_BASE_URL = (1, 18)
_UPGRADE = "Run `opencode upgrade`."
_TWO_FORMS = (
    "Remove one, unless both are intended: OpenCode 1 reads `provider`, OpenCode 2 `providers`, or else `provider`."
)

_BUSY = "Try again: a very busy machine can cause this."


def program(context: DoctorContext) -> Iterator[Result]:
    """Yield the programs of OpenCode 1 and 2 on the PATH, and their versions."""
    found = runtime.find_all(context.environ)
    if not found:
        yield failure(
            "OpenCode", "is not on the PATH", "Install it: see https://opencode.ai, or `npm i -g opencode-ai`."
        )
    for path in found:
        try:
            version = runtime.version(path, context.environ)
        except TimeoutError:
            yield warning("OpenCode", f"{path} printed no version within {runtime.TIMEOUT:g} s", _BUSY)
            continue
        numbers = runtime.numbers(version)
        if version and is_version_2(version):
            yield ok("OpenCode", f"{version} ({path}), which is OpenCode 2")
        elif not numbers:
            fix = f"See what `{path.name} --version` prints, or install it again: see https://opencode.ai."
            yield failure("OpenCode", f"{path} does not run", fix)
        elif numbers < _OLDEST:
            yield warning("OpenCode", f"{version} ({path}) is older than any tested release", _UPGRADE)
        else:
            yield ok("OpenCode", f"{version} ({path})")


def configuration(context: DoctorContext) -> Iterator[Result]:
    """Yield the problems in OpenCode's configuration files, or else their names."""
    results = [_file_problem(context, message) for message in context.opencode_warnings]
    if context.opencode.base_url_file:
        path = runtime.find(context.environ)
        numbers: tuple[int, ...] = ()
        with suppress(TimeoutError):
            numbers = runtime.numbers(runtime.version(path, context.environ) if path else None)
        if numbers < _TOLERATES_BASE_URL:
            message = (
                f"provider.openai.baseURL in {context.opencode.base_url_file} keeps OpenCode 1.1 and 1.3 from starting"
            )
            fix = "Remove it there; `codex-transform login` saves the base URL."
            results.append((failure if numbers else warning)("configuration", message, fix))
    sources = opencode_paths.read(context.environ, context.cwd, context.home).sources
    names = list(dict.fromkeys(source.name for source in sources))
    results += [
        warning("configuration", f"{source.name} has the provider openai in two forms", _TWO_FORMS)
        for source in sources
        if _has_two_forms(source.text)
    ]
    listed = ", ".join(names) or "none, and none is needed"
    yield from results or [ok("configuration", f"{listed}; later files take precedence" if names[1:] else listed)]


def models(context: DoctorContext) -> Iterator[Result]:
    """Yield the number of models in OpenCode's configuration, or those that the catalogue does not know."""
    names = _models(context)
    unknown = [name for name in names if catalog.resolve(name).model is None]
    if unknown:
        message = f"not in the catalogue, so their names are sent unchanged: {', '.join(unknown)}"
        fix = "Run `codex-transform config`, which writes the known ones, if your endpoint does not have these."
        yield warning("models", message, fix)
    elif names:
        yield ok("models", f"{len(names)} configured")
    else:
        yield ok("models", "none configured: OpenCode offers its own list; `codex-transform config` adds all")


def plugins(context: DoctorContext) -> Iterator[Result]:
    """Yield whether the plugin that this project replaces is still loaded."""
    results = legacy_plugin.find(context.environ, context.cwd, context.home)
    for each in results:
        message = (
            f"{each.entry or each.file.name} is still loaded ({each.file}): with both, requests are transformed twice"
        )
        fix = "Run `codex-transform config`, which offers to remove it." if each.entry else f"Delete {each.file}."
        yield failure("plugin", message, fix)
    if not results:
        yield ok("plugin", "none that does the same")


def login(context: DoctorContext) -> Iterator[Result]:
    """Yield whether OpenCode has a key to start with. With a ChatGPT login it uses ChatGPT, whatever its key."""
    without_key = {**context.environ, "OPENAI_API_KEY": ""}
    _, chatgpt = child_env.dummy_key(without_key, context.home)
    missing, _ = child_env.dummy_key(context.environ, context.home)
    if chatgpt:
        message = "OpenCode is logged in to ChatGPT, so its requests go there instead of to the proxy"
        yield failure("login", message, "Run `opencode auth logout` and choose OpenAI.")
    elif missing and context.loaded.settings.forward_client_key:
        yield failure("login", "OpenCode has no OpenAI key that could be forwarded", "Set OPENAI_API_KEY.")
    elif missing and (uses_our_proxy(context) or context.opencode.client_base_url):
        dummy = shells.local_assignment("OPENAI_API_KEY", child_env.DUMMY_KEY)
        fix = f"Start it with `codex-transform run opencode`, which gives it a dummy, or {dummy}."
        yield failure("login", "OpenCode has no OpenAI key, which it needs", fix)
    elif missing:
        yield ok("login", "OpenCode gets a placeholder key from `codex-transform run opencode`")
    else:
        yield ok("login", "OpenCode has a key")


def _file_problem(context: DoctorContext, message: str) -> Result:
    """Return the result for a warning about a file: a failure if OpenCode cannot parse it and so does not start."""
    stops = any(message.startswith(f"{file}: line ") for file in _files(context))
    if ": not used: " in message:
        return warning("configuration", message, "Make it a file of yours that you can read, or remove it.")
    fix = "Fix it there." if stops else "Fix it there; the rest of the file is used."
    return (failure if stops else warning)("configuration", message.partition(". Fix it there")[0], fix)


def _has_two_forms(text: str) -> bool:
    try:
        value: Any = parser.parse(text)
    except parser.JsonError:
        return False
    groups = [value.get(form.models[0]) for form in forms.FORMS] if isinstance(value, dict) else []
    return bool(groups) and all(isinstance(group, dict) and "openai" in group for group in groups)


def _files(context: DoctorContext) -> list[Any]:
    return list(dict.fromkeys(opencode_paths.paths(context.environ, context.cwd, context.home)))


def _models(context: DoctorContext) -> list[str]:
    names: list[str] = []
    for source in opencode_paths.read(context.environ, context.cwd, context.home).sources:
        try:
            value: Any = parser.parse(source.text)
        except parser.JsonError:
            continue
        for member in forms.form_of(value).models:
            value = value.get(member) if isinstance(value, dict) else None
        names += value if isinstance(value, dict) else ()
    return list(dict.fromkeys(names))
