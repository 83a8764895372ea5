"""This terminal: the variables by which OpenCode finds the proxy, those that interfere, and the proxy's port.

Which variables count was tried with OpenCode 1.1.65, 1.3.2 and 1.18.33: https_proxy goes before HTTPS_PROXY, NO_PROXY
holds for both, ALL_PROXY is not looked at, HTTP_PROXY is asked even for this machine, which matters in reverse mode,
and OPENAI_BASE_URL moves OpenCode's requests to another address.
"""

import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from codex_transform.doctor.addon_port import Listener, identify_listener
from codex_transform.doctor.result import DoctorContext, Result, failure, ok, warning
from codex_transform.endpoint.hosts import is_loopback
from codex_transform.launcher import child_env

_RUN = "Start OpenCode with `codex-transform run opencode`"
_AUTHORITIES = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def uses_our_proxy(context: DoctorContext) -> bool:
    """Return whether HTTPS_PROXY leads to our proxy, or would if it ran: OpenCode is to be started in this terminal."""
    return _points_to_loopback(context) and _listener(context) != "other"


def upstream_proxy(context: DoctorContext) -> str:
    """Return the address of a proxy that is not ours and that `run` goes through, such as a company's.

    "" if there is none.
    """
    if _points_to_loopback(context) and _listener(context) == "addon":
        return ""
    beyond, _ = child_env.upstream(context.environ)
    return beyond.address


def proxy(context: DoctorContext) -> Iterator[Result]:
    """How OpenCode, started here by itself, finds the proxy."""
    if context.opencode.client_base_url:
        yield _reversed(context.opencode.client_base_url)
        return
    value = context.https_proxy
    if not value:
        message = "is not set in this terminal: OpenCode, started by itself, goes past the proxy"
        yield warning("HTTPS_PROXY", message, f"{_RUN}, which needs none; `codex-transform start` shows what to set.")
        return
    parts = _split(value)
    if parts is None:
        yield failure("HTTPS_PROXY", "is no address of a proxy", f"Set it to http://127.0.0.1:{context.port}.")
        return
    address = f"{parts.hostname}:{parts.port or 80}"
    if not _points_to_loopback(context):
        message = f"leads to {address}, another machine"
        yield warning("HTTPS_PROXY", message, f"{_RUN}, which goes on through that one, or unset it.")
        return
    match _listener(context):
        case "addon":
            yield ok("HTTPS_PROXY", f"leads to this proxy ({address})")
        case "other":
            message = f"leads to {address}, where something else listens than this proxy"
            yield warning("HTTPS_PROXY", message, f"{_RUN}, which goes on through that one, or set it to this proxy.")
        case "nobody":
            message = f"leads to {address}, where nothing listens"
            yield failure("HTTPS_PROXY", message, f"Start the proxy with `codex-transform start`, or unset it. {_RUN}.")


def variables(context: DoctorContext) -> Iterator[Result]:
    """Variables that lead requests past the proxy, or OpenCode astray."""
    results = [*_no_proxy(context), *_base_url(context), *_others(context)]
    yield from results or [ok("other variables", "none that interferes")]


def authorities(context: DoctorContext) -> Iterator[Result]:
    """Variables that name certificates to trust."""
    for name in _AUTHORITIES:
        path = context.environ.get(name, "").strip()
        if path and (why := _unusable(Path(path))):
            yield failure(name, f"{path} {why}", "Set it to a file of certificates (PEM), or unset it.")


def port(context: DoctorContext) -> Iterator[Result]:
    """Yield the port that the proxy is meant to listen on."""
    name = f"port {context.port}"
    match identify_listener("127.0.0.1", context.port):
        case "addon":
            yield ok(name, "this proxy listens there")
        case "nobody":
            yield ok(name, "is free")
        case "other":
            fix = f"Use another: `codex-transform start --port {context.port + 10}`; `run` finds a free one by itself."
            yield warning(name, "something else listens there", fix)


def _points_to_loopback(context: DoctorContext) -> bool:
    """Return whether HTTPS_PROXY names a port of this machine."""
    parts = _split(context.https_proxy)
    return parts is not None and is_loopback(parts.hostname or "")


def _listener(context: DoctorContext) -> Listener:
    """Who listens where HTTPS_PROXY leads."""
    parts = _split(context.https_proxy)
    return identify_listener(parts.hostname or "", parts.port or 80) if parts else "nobody"


def _reversed(url: str) -> Result:
    """OpenCode's configuration names the address that it sends its requests to."""
    name = "reverse mode"
    parts = _split(url)
    if parts is None or not is_loopback(parts.hostname or ""):
        message = (
            f"provider.openai.options.baseURL in OpenCode's configuration is {_shown(url)}: requests go past the proxy"
        )
        return failure(name, message, "Take it out of there, or set it to the proxy's address.")
    if identify_listener(parts.hostname or "", parts.port or 80, reverse=True) == "addon":
        return ok(name, f"OpenCode goes to {_shown(url)}, where this proxy listens")
    message = f"OpenCode goes to {_shown(url)}, where no proxy listens in reverse mode"
    start = f"`codex-transform start --port {parts.port or 80} -- --mode reverse:YOUR-BASE-URL`"
    fix = f"Start it: {start}. Or start OpenCode with `codex-transform run opencode`, which does without."
    return failure(name, message, fix)


def _no_proxy(context: DoctorContext) -> Iterator[Result]:
    hosts = context.loaded.settings.hosts
    value = context.environ.get("no_proxy") or context.environ.get("NO_PROXY") or ""
    variables, warnings = child_env.proxy_variables(context.environ, "", hosts)
    if not warnings:
        return
    entries = [entry for entry in re.split(r"[,\s]+", value) if entry and entry not in variables["NO_PROXY"].split(",")]
    message = f"has OpenCode go past the proxy: {', '.join(entries)} covers {hosts[0]}"
    fix = f"Take that out of it. {_RUN}, which does so for that command."
    yield (failure if context.https_proxy else warning)("NO_PROXY", message, fix)


def _base_url(context: DoctorContext) -> Iterator[Result]:
    value = context.environ.get("OPENAI_BASE_URL", "").strip()
    parts = _split(value)
    if not value or context.opencode.client_base_url or (parts and parts.hostname in context.loaded.settings.hosts):
        return
    here = parts is not None and is_loopback(parts.hostname or "")
    if here and parts and identify_listener(parts.hostname or "", parts.port or 80, reverse=True) == "addon":
        return
    yield failure("OPENAI_BASE_URL", f"OpenCode sends its requests to {_shown(value)}, past the proxy", "Unset it.")


def _others(context: DoctorContext) -> Iterator[Result]:
    environ = context.environ
    everything = environ.get("all_proxy") or environ.get("ALL_PROXY")
    if everything and not context.https_proxy:
        message = "is set and HTTPS_PROXY is not: OpenCode looks at HTTPS_PROXY only"
        yield warning("ALL_PROXY", message, f"{_RUN}, which goes on through that one.")
    parts = _split(context.opencode.client_base_url or "")
    if parts and parts.scheme == "http" and (environ.get("http_proxy") or environ.get("HTTP_PROXY")):
        without = re.split(r"[,\s]+", environ.get("no_proxy") or environ.get("NO_PROXY") or "")
        if not {parts.hostname, parts.netloc, "*"} & {*without}:
            message = f"is set, and NO_PROXY does not name {parts.hostname}: OpenCode asks that proxy for this one"
            yield failure("HTTP_PROXY", message, f"Add {parts.hostname} to NO_PROXY, or unset HTTP_PROXY.")
    if environ.get("NODE_TLS_REJECT_UNAUTHORIZED") == "0":
        message = "is 0: OpenCode takes any certificate, of anybody"
        yield warning("NODE_TLS_REJECT_UNAUTHORIZED", message, "Unset it: NODE_EXTRA_CA_CERTS is enough.")


def _unusable(path: Path) -> str:
    """Why a file of certificates cannot be used; "" if it can. A folder of them is let be."""
    if path.is_dir():
        return ""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return "holds no certificate"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return ""


def _shown(url: str) -> str:
    """Return an address without user and password."""
    return re.sub(r"//[^/]*@", "//", url)


def _split(url: str) -> SplitResult | None:
    """Return the parts of a proxy's address, which may lack the scheme; None if it is none."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None
