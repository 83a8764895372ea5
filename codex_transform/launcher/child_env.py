"""Environment variables for a command behind the proxy. They are set for that command only."""

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
"""A placeholder for clients that need an OpenAI key; the proxy replaces it with the endpoint's key."""

# OpenCode reads this after the user's files, so it takes precedence over them.
_CONFIG = "OPENCODE_CONFIG_CONTENT"

# OpenCode, the SDKs and most programs read the first; LiteLLM, aider and older LangChain the second.
_BASE_URL_VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_BASE")

_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_CONNECT_TIMEOUT = 2.0  # seconds

# The first one that is set counts, as in curl.
_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


class Upstream(NamedTuple):
    """A proxy that this machine is behind: mitmproxy's arguments for it, and its address for messages."""

    arguments: tuple[str, ...] = ()
    address: str = ""


def proxy_variables(environ: Mapping[str, str], url: str, hosts: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Return variables that send a command's HTTPS requests through the proxy at `url`, and warnings.

    NO_PROXY keeps its entries and gains this machine's names. Entries that match one of `hosts` are removed, because
    requests to those must use the proxy. NODE_USE_ENV_PROXY makes Node read these variables.
    """
    value = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    entries = [entry for entry in re.split(r"[,\s]+", value) if entry]
    ignored = [entry for entry in entries if any(_no_proxy_matches(entry, host) for host in hosts)]
    kept = [entry for entry in entries if entry not in ignored]
    no_proxy = ",".join([*kept, *(local for local in _LOCAL_HOSTS if local not in kept)])
    warnings = [f"NO_PROXY excludes {entry}: ignored for this command" for entry in ignored]
    variables = {"HTTPS_PROXY": url, "NO_PROXY": no_proxy}
    if os.name == "posix":  # names are case-sensitive, and programs differ in which case they read
        variables |= {name.lower(): value for name, value in variables.items()}
    if not environ.get("NODE_USE_ENV_PROXY"):
        variables["NODE_USE_ENV_PROXY"] = "1"
    return variables, warnings


def bypassing_variables(environ: Mapping[str, str], hosts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the names of variables that send a command's requests elsewhere than to one of `hosts`, and warnings."""
    names = [name.partition(":")[0] for name in hosts]
    found = [
        variable
        for variable in _BASE_URL_VARIABLES
        if (url := environ.get(variable)) and not any(_no_proxy_matches(name, _host(url)) for name in names)
    ]
    return found, [f"{variable} bypasses the proxy: ignored for this command" for variable in found]


def base_url_override(
    environ: Mapping[str, str], base_url: str | None, hosts: Iterable[str]
) -> tuple[dict[str, str], list[str]]:
    """Return an OPENCODE_CONFIG_CONTENT that sends OpenCode's requests through the proxy, and warnings.

    `base_url` is the one in OpenCode's configuration, such as that of a proxy in reverse mode; None if it has none. The
    result is empty if nothing needs to change. Other members of the variable's present value are kept.
    """
    host = first_public_host(hosts)
    if not base_url or not host or _host(base_url) == _host(host):
        return {}, []
    message = "the provider's baseURL in OpenCode's configuration bypasses the proxy"
    try:
        document = Document(environ.get(_CONFIG) or "{}")
        text = document.set(form_of(document.value).base_url, f"https://{host}/v1")
    except ValueError:  # OpenCode itself reports what is wrong with the variable
        return {}, [message]
    return {_CONFIG: text}, [f"{message}: ignored for this command"]


def first_public_host(hosts: Iterable[str]) -> str | None:
    """Return the first of `codex_hosts`, as written there, that clients reach through a proxy; None if there is none.

    Clients use no proxy for IPv6 addresses and this machine.
    """
    return next((host for host in hosts if host.count(":") < 2 and not is_loopback(_host(host))), None)


def dummy_key(environ: Mapping[str, str], home: Path) -> tuple[dict[str, str], list[str]]:
    """Return a placeholder OPENAI_API_KEY, which OpenCode needs unless it has a key or a login, and warnings.

    `home` is the user's home folder, where OpenCode keeps its logins unless XDG_DATA_HOME is set.
    """
    if environ.get("OPENAI_API_KEY"):
        return {}, []
    login = _login(environ, home)
    if login == "oauth":
        return {}, ["OpenCode is logged in to ChatGPT and sends its requests there: `opencode auth logout` logs it out"]
    return ({} if login else {"OPENAI_API_KEY": DUMMY_KEY}), []


def system_proxies() -> Mapping[str, str]:
    """Return the proxies in the system settings of macOS or Windows, by scheme; empty on other systems.

    `urllib.request.getproxies` ignores those settings if any proxy variable is set, even only NO_PROXY.
    """
    names = ("getproxies_registry", "getproxies_macosx_sysconf")  # defined on Windows and macOS, respectively
    read = next((getattr(urllib.request, name) for name in names if hasattr(urllib.request, name)), dict)
    return dict(read())


def upstream(
    environ: Mapping[str, str], system: Callable[[], Mapping[str, str]] = system_proxies
) -> tuple[Upstream, list[str]]:
    """Return the proxy in the user's HTTPS_PROXY or ALL_PROXY, else the system's, and warnings if it cannot be used."""
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
        return Upstream(), [f"{source} is not a valid address and is ignored"]
    if parts.scheme not in ("http", "https"):
        return Upstream(), [f"{source} names {address}, which is not an HTTP proxy, and is ignored"]
    try:
        socket.create_connection((str(parts.hostname), _port(parts)), _CONNECT_TIMEOUT).close()
    except OSError:
        return Upstream(), [f"{source} names {address}, where nothing listens, and is ignored"]
    arguments = ["--mode", f"upstream:{address}"]
    if parts.username is not None:
        arguments += ["--upstream-auth", f"{unquote(parts.username)}:{unquote(parts.password or '')}"]
    return Upstream(tuple(arguments), address), []


def _host(url: str) -> str:
    """Return the host name in a URL, which may lack a scheme; "" if there is none."""
    try:
        return urlsplit(url if "://" in url else f"//{url}").hostname or ""
    except ValueError:
        return ""


def _address(parts: SplitResult) -> str:
    """Return the URL of a proxy without user and password. Raises ValueError if it has no host or an invalid port."""
    if not parts.hostname:
        raise ValueError("no host")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{_port(parts)}"


def _port(parts: SplitResult) -> int:
    return parts.port or {"https": 443, "http": 80}.get(parts.scheme, 1080)


def _no_proxy_matches(entry: str, host: str) -> bool:
    """Return whether this entry in NO_PROXY makes a client connect directly to `host`, which may have a port."""
    if entry == "*":
        return True
    host = host.partition(":")[0]
    name = re.sub(r"(?<!:):\d+$", "", entry.lower()).removeprefix("*").removeprefix(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _login(environ: Mapping[str, str], home: Path) -> str | None:
    """Return the type of OpenCode's login for OpenAI, `api` or `oauth`; None if there is no login."""
    folder = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    try:
        logins = json.loads((folder / "opencode" / "auth.json").read_bytes())
        return str(logins["openai"]["type"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
