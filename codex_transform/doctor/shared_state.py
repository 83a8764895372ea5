"""The file or the server that `codex_state` names: whether it can be used, and its version."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from codex_transform import paths
from codex_transform.doctor.result import DoctorContext, Result, failure, ok, warning
from codex_transform.endpoint.hosts import is_loopback
from codex_transform.fsutil import is_missing
from codex_transform.settings.state_url import StateUrl
from codex_transform.state.redis_backend import RedisBackend
from codex_transform.state.sqlite_backend import SqliteBackend
from codex_transform.text import sentence
from codex_transform.values import Unavailable

_NAME = "codex_state"


def backend(context: DoctorContext) -> Iterator[Result]:
    """Yield whether the file or the server can be used; nothing if state is kept in memory, or not at all."""
    state = context.loaded.settings.state
    if isinstance(state, StateUrl):
        yield _redis(state, offline=context.offline)
    elif state == "disk":
        yield _file(context)


def _file(context: DoctorContext) -> Result:
    file = paths.state_database(context.home)
    if is_missing(file):
        return ok(_NAME, f"{file} will be made by the first proxy")
    opened = SqliteBackend(file)
    try:
        return ok(_NAME, f"{file}, {opened.check()}")
    except Unavailable as error:
        return failure(_NAME, f"{file} cannot be used: {error}", _fix(error))
    finally:
        opened.close()


def _redis(url: StateUrl, *, offline: bool) -> Result:
    if offline:
        return ok(_NAME, f"{url}, not tried (--offline)")
    connected = RedisBackend(url)
    try:
        version = connected.check()
    except Unavailable as error:
        return failure(_NAME, f"{url} cannot be used: {error}", _fix(error))
    finally:
        connected.close()
    parts = urlsplit(url.text)
    if parts.scheme == "redis" and not is_loopback(parts.hostname or ""):
        message = f"{version} at {url}: the password and stored responses, with prompts, travel unencrypted"
        return warning(_NAME, message, "Use rediss://, unless nobody else is on that network.")
    return ok(_NAME, f"{version} at {url}")


def _fix(error: Unavailable) -> str:
    return f"{sentence(error.fix)} Until then each proxy works on its own."
