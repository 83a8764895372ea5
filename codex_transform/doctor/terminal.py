"""This terminal: the variables by which OpenCode finds the proxy, those that interfere, and the proxy's port.

How OpenCode reads them was tried with 1.1.65, 1.3.2 and 1.18.33: https_proxy takes precedence over HTTPS_PROXY,
NO_PROXY applies to both, ALL_PROXY is ignored, HTTP_PROXY is used even for this machine, which matters in reverse mode,
and OPENAI_BASE_URL sends OpenCode's requests to another address.
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
    """Return whether HTTPS_PROXY leads to our proxy, or would if it ran: the terminal is set up to start OpenCode."""
    return _points_to_loopback(context) and _listener(context) in ("addon", "nobody")


def upstream_proxy(context: DoctorContext) -> str:
    """Return the address of another proxy that `run` connects through, such as a company's; "" if there is none."""
    if _points_to_loopback(context) and _listener(context) in ("addon", "wrong mode"):
        return ""
    beyond, _ = child_env.upstream(context.environ)
    return beyond.address


def proxy(context: DoctorContext) -> Iterator[Result]:
    """Yield whether OpenCode, started in this terminal without `run`, finds the proxy."""
    if context.opencode.client_base_url:
        yield _reversed(context.opencode.client_base_url)
        return
    value = context.https_proxy
    if not value:
        message = "is not set in this terminal: OpenCode, started without `run`, bypasses the proxy"
        yield warning("HTTPS_PROXY", message, f"{_RUN}, which sets it; `codex-transform start` shows what to set.")
        return
    parts = _split(value)
    if parts is None:
        yield failure("HTTPS_PROXY", "is not a valid address", f"Set it to http://127.0.0.1:{context.port}.")
        return
    address = f"{parts.hostname}:{parts.port or 80}"
    if not _points_to_loopback(context):
        message = f"leads to {address}, another machine"
        yield warning("HTTPS_PROXY", message, f"{_RUN}, which connects through that proxy, or unset it.")
        return
    match _listener(context):
        case "addon":
            yield ok("HTTPS_PROXY", f"leads to this proxy ({address})")
        case "wrong mode":
            message = f"leads to {address}, where this proxy listens in reverse mode: it is no proxy for HTTPS_PROXY"
            yield failure("HTTPS_PROXY", message, "Unset it, or start the proxy without `--mode reverse:…`.")
        case "other":
            message = f"leads to {address}, where something else listens, not this proxy"
            yield warning("HTTPS_PROXY", message, f"{_RUN}, which connects through that, or set it to this proxy.")
        case "nobody":
            message = f"leads to {address}, where nothing listens"
            yield failure("HTTPS_PROXY", message, f"Start the proxy with `codex-transform start`, or unset it. {_RUN}.")


def variables(context: DoctorContext) -> Iterator[Result]:
    """Yield the variables that make requests bypass the proxy or keep OpenCode from working."""
    results = [*_no_proxy(context), *_base_url(context), *_others(context)]
    yield from results or [ok("other variables", "none interferes")]


def authorities(context: DoctorContext) -> Iterator[Result]:
    """Yield the variables whose files of trusted certificates cannot be used."""
    for name in _AUTHORITIES:
        path = context.environ.get(name, "").strip()
        if path and (why := _unusable(Path(path))):
            yield failure(name, f"{path} {why}", "Set it to a file of certificates (PEM), or unset it.")


def port(context: DoctorContext) -> Iterator[Result]:
    """Yield whether the port that the proxy should listen on is free, or what listens there."""
    name = f"port {context.port}"
    match identify_listener("127.0.0.1", context.port):
        case "addon" | "wrong mode":
            yield ok(name, "this proxy listens there")
        case "nobody":
            yield ok(name, "is free")
        case "other":
            fix = f"Use another: `codex-transform start --port {context.port + 10}`; `run` finds a free port itself."
            yield warning(name, "something else listens there", fix)


def _points_to_loopback(context: DoctorContext) -> bool:
    """Return whether HTTPS_PROXY is an address of this machine."""
    parts = _split(context.https_proxy)
    return parts is not None and is_loopback(parts.hostname or "")


def _listener(context: DoctorContext) -> Listener:
    """Return what listens at the address in HTTPS_PROXY."""
    parts = _split(context.https_proxy)
    return identify_listener(parts.hostname or "", parts.port or 80) if parts else "nobody"


def _reversed(url: str) -> Result:
    """Return whether our proxy in reverse mode listens at `url`, the base URL in OpenCode's configuration."""
    name = "reverse mode"
    parts = _split(url)
    if parts is None or not is_loopback(parts.hostname or ""):
        message = (
            f"provider.openai.options.baseURL in OpenCode's configuration is {_shown(url)}: requests bypass the proxy"
        )
        return failure(name, message, "Remove it there, or set it to the proxy's address.")
    listener = identify_listener(parts.hostname or "", parts.port or 80, reverse=True)
    if listener == "addon":
        return ok(name, f"OpenCode connects to {_shown(url)}, where this proxy listens")
    message = f"OpenCode connects to {_shown(url)}, where no proxy listens in reverse mode"
    begin = "Start it"
    if listener == "wrong mode":
        message += ": this proxy listens there in another mode"
        begin = "Stop it, and start it in that mode"
    start = f"`codex-transform start --port {parts.port or 80} -- --mode reverse:YOUR-BASE-URL`"
    fix = f"{begin}: {start}. Or start OpenCode with `codex-transform run opencode`, which does not need it."
    return failure(name, message, fix)


def _no_proxy(context: DoctorContext) -> Iterator[Result]:
    hosts = context.loaded.settings.hosts
    value = context.environ.get("no_proxy") or context.environ.get("NO_PROXY") or ""
    variables, warnings = child_env.proxy_variables(context.environ, "", hosts)
    if not warnings:
        return
    entries = [entry for entry in re.split(r"[,\s]+", value) if entry and entry not in variables["NO_PROXY"].split(",")]
    message = f"makes OpenCode bypass the proxy: {', '.join(entries)} covers {hosts[0]}"
    fix = f"Remove that entry. {_RUN}, which ignores it for that command."
    yield (failure if context.https_proxy else warning)("NO_PROXY", message, fix)


def _base_url(context: DoctorContext) -> Iterator[Result]:
    value = context.environ.get("OPENAI_BASE_URL", "").strip()
    parts = _split(value)
    if not value or context.opencode.client_base_url or (parts and parts.hostname in context.loaded.settings.hosts):
        return
    here = parts is not None and is_loopback(parts.hostname or "")
    listener = identify_listener(parts.hostname or "", parts.port or 80, reverse=True) if here and parts else "other"
    if listener == "addon":
        return
    why = "where this proxy is not in reverse mode" if listener == "wrong mode" else "bypassing the proxy"
    yield failure("OPENAI_BASE_URL", f"sends OpenCode's requests to {_shown(value)}, {why}", "Unset it.")


def _others(context: DoctorContext) -> Iterator[Result]:
    environ = context.environ
    everything = environ.get("all_proxy") or environ.get("ALL_PROXY")
    if everything and not context.https_proxy:
        message = "is set and HTTPS_PROXY is not: OpenCode reads HTTPS_PROXY only"
        yield warning("ALL_PROXY", message, f"{_RUN}, which connects through that proxy.")
    parts = _split(context.opencode.client_base_url or "")
    if parts and parts.scheme == "http" and (environ.get("http_proxy") or environ.get("HTTP_PROXY")):
        without = re.split(r"[,\s]+", environ.get("no_proxy") or environ.get("NO_PROXY") or "")
        if not {parts.hostname, parts.netloc, "*"} & {*without}:
            message = f"is set, and NO_PROXY does not name {parts.hostname}: OpenCode reaches ours only through it"
            yield failure("HTTP_PROXY", message, f"Add {parts.hostname} to NO_PROXY, or unset HTTP_PROXY.")
    if environ.get("NODE_TLS_REJECT_UNAUTHORIZED") == "0":
        message = "is 0: OpenCode accepts any certificate"
        yield warning("NODE_TLS_REJECT_UNAUTHORIZED", message, "Unset it: NODE_EXTRA_CA_CERTS is enough.")


def _unusable(path: Path) -> str:
    """Return why a file of certificates cannot be used; "" if it can. Folders are not checked."""
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
    """Return the parts of a proxy's address, which may lack the scheme; None if it is invalid."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None
