"""The environment of a command behind the proxy: its variables, for it alone."""

import json
import os
import re
import socket
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from codex_transform.endpoint.hosts import is_loopback
from codex_transform.jsonc.editor import Document
from codex_transform.opencode.forms import form_of

DUMMY_KEY = "dummy"
"""What a client takes for its OpenAI key; the proxy puts the endpoint's in its place."""

# Read after the user's files, so that it goes before them.
_CONFIG = "OPENCODE_CONFIG_CONTENT"

# OpenCode, the SDKs and most programs read the first one; LiteLLM, aider and older LangChain the second one.
_BASE_URL_VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_BASE")

_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_PATIENCE = 2.0

# The first that is set counts, as with curl.
_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


class Upstream(NamedTuple):
    """A proxy that this machine is behind: mitmproxy's arguments for it, and its address for people."""

    arguments: tuple[str, ...] = ()
    address: str = ""


def proxy_variables(environ: Mapping[str, str], url: str, hosts: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Variables that send a command's HTTPS through the proxy at `url`; also gives warnings.

    NO_PROXY goes on to hold what it does, and this machine, except for entries that leave out one of `hosts`: their
    requests have to come through. Node reads these variables only if it is told to.
    """
    value = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    entries = [entry for entry in re.split(r"[,\s]+", value) if entry]
    in_the_way = [entry for entry in entries if any(_no_proxy_matches(entry, host) for host in hosts)]
    remaining = [entry for entry in entries if entry not in in_the_way]
    without = ",".join([*remaining, *(here for here in _LOCAL_HOSTS if here not in remaining)])
    warnings = [f"NO_PROXY leaves out {entry}: not for this command" for entry in in_the_way]
    variables = {"HTTPS_PROXY": url, "NO_PROXY": without}
    if os.name == "posix":  # where case matters, some programs read one and some the other
        variables |= {name.lower(): value for name, value in variables.items()}
    if not environ.get("NODE_USE_ENV_PROXY"):
        variables["NODE_USE_ENV_PROXY"] = "1"
    return variables, warnings


def bypassing_variables(environ: Mapping[str, str], hosts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Which variables would have a command send its requests elsewhere than to one of `hosts`; also gives warnings."""
    names = [name.partition(":")[0] for name in hosts]
    found = [
        variable
        for variable in _BASE_URL_VARIABLES
        if (url := environ.get(variable)) and not any(_no_proxy_matches(name, _host(url)) for name in names)
    ]
    return found, [f"{variable} leads past the proxy: not for this command" for variable in found]


def base_url_override(
    environ: Mapping[str, str], base_url: str | None, hosts: Iterable[str]
) -> tuple[dict[str, str], list[str]]:
    """OPENCODE_CONFIG_CONTENT that has OpenCode go through the proxy all the same; also gives warnings.

    `base_url` is where OpenCode's configuration sends its requests, such as to a proxy in reverse mode, if it says
    anything. What the variable holds already stays.
    """
    host = first_public_host(hosts)
    if not base_url or not host or _host(base_url) == _host(host):
        return {}, []
    message = "the provider's baseURL in OpenCode's configuration leads past the proxy"
    try:
        document = Document(environ.get(_CONFIG) or "{}")
        text = document.set(form_of(document.value).base_url, f"https://{host}/v1")
    except ValueError:  # OpenCode itself says what is wrong with that
        return {}, [message]
    return {_CONFIG: text}, [f"{message}: not for this command"]


def first_public_host(hosts: Iterable[str]) -> str | None:
    """Return the first of `codex_hosts` that clients go through a proxy to, with or without its port.

    None if there is none.

    For addresses with many colons and for this machine they take none.
    """
    return next((host for host in hosts if host.count(":") < 2 and not is_loopback(_host(host))), None)


def dummy_key(environ: Mapping[str, str], home: Path) -> tuple[dict[str, str], list[str]]:
    """OPENAI_API_KEY for OpenCode to begin with, unless it has one or a login; also gives warnings."""
    if environ.get("OPENAI_API_KEY"):
        return {}, []
    login = _login(environ, home)
    if login == "oauth":
        return {}, ["OpenCode is logged in to ChatGPT, and then talks to that: `opencode auth logout` ends it"]
    return ({} if login else {"OPENAI_API_KEY": DUMMY_KEY}), []


def system_proxies() -> Mapping[str, str]:
    """Give the proxies that macOS and Windows are set to, by scheme; empty elsewhere.

    `urllib.request.getproxies` would not look there where any variable is set, if only NO_PROXY.
    """
    names = ("getproxies_registry", "getproxies_macosx_sysconf")  # there on Windows, on macOS
    read = next((getattr(urllib.request, name) for name in names if hasattr(urllib.request, name)), dict)
    return dict(read())


def upstream(
    environ: Mapping[str, str], system: Callable[[], Mapping[str, str]] = system_proxies
) -> tuple[Upstream, list[str]]:
    """Return the proxy that the user's own HTTPS_PROXY (or ALL_PROXY) names, else the system's, if it can be used.

    Also gives warnings.
    """
    source = "HTTPS_PROXY"
    value = next(filter(None, map(environ.get, _PROXIES)), None)
    if not value:
        source, value = "The system's proxy setting", system().get("https")
    if not value:
        return Upstream(), []
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        address = _address(parts)
    except ValueError:
        return Upstream(), [f"{source} is not an address: requests go without it"]
    if parts.scheme not in ("http", "https"):
        return Upstream(), [f"{source} names {address}, and this speaks to HTTP proxies only: requests go without it"]
    try:
        socket.create_connection((str(parts.hostname), _port(parts)), _PATIENCE).close()
    except OSError:
        return Upstream(), [f"{source} names {address}, where nothing listens: requests go without it"]
    arguments = ["--mode", f"upstream:{address}"]
    if parts.username is not None:
        arguments += ["--upstream-auth", f"{unquote(parts.username)}:{unquote(parts.password or '')}"]
    return Upstream(tuple(arguments), address), []


def _host(url: str) -> str:
    """Return the name in an address, with or without a scheme; "" if there is none."""
    try:
        return urlsplit(url if "://" in url else f"//{url}").hostname or ""
    except ValueError:
        return ""


def _address(parts: SplitResult) -> str:
    """Without user and password. Raises ValueError."""
    if not parts.hostname:
        raise ValueError("no host")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{_port(parts)}"


def _port(parts: SplitResult) -> int:
    return parts.port or {"https": 443, "http": 80}.get(parts.scheme, 1080)


def _no_proxy_matches(entry: str, host: str) -> bool:
    """Return whether a client with this entry in its NO_PROXY would go straight to `host`, which may have a port."""
    if entry == "*":
        return True
    host = host.partition(":")[0]
    name = re.sub(r"(?<!:):\d+$", "", entry.lower()).removeprefix("*").removeprefix(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _login(environ: Mapping[str, str], home: Path) -> str | None:
    """Return the type of OpenCode's login for OpenAI: `api`, `oauth`; None without one.

    It keeps logins where XDG says.
    """
    folder = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    try:
        logins = json.loads((folder / "opencode" / "auth.json").read_bytes())
        return str(logins["openai"]["type"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
