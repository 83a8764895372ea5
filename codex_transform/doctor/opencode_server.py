"""The background server of OpenCode 2: whether one is running, and where its requests go."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from codex_transform.doctor.addon_port import identify_listener
from codex_transform.doctor.result import DoctorContext, Result, ok, warning
from codex_transform.endpoint.hosts import is_loopback
from codex_transform.opencode import server
from codex_transform.opencode.server import Server

_SET_UP = "`codex-transform config --reverse http://127.0.0.1:8080/v1`, with the proxy in reverse mode"


def our_proxy(of_server: Server, base_url: str | None) -> str:
    """Return the address of our proxy if a server's requests go through it; "" if they bypass it.

    `base_url` is the one in OpenCode's configuration; None if it has none.
    """
    address = base_url or of_server.https_proxy
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        return ""
    if not host or not is_loopback(host):
        return ""
    listener = identify_listener(host, port, reverse=bool(base_url))
    return f"{parts.scheme}://{parts.netloc}" if listener == "addon" else ""


def check_server(context: DoctorContext) -> Iterator[Result]:
    """Yield each running server, and where its requests go."""
    found = server.running(context.environ, context.home)
    for each in found:
        name = f"process {each.pid}, {each.url}"
        if ours := our_proxy(each, context.opencode.client_base_url):
            yield ok("server", f"OpenCode 2 has one ({name}); its requests go through this proxy ({ours})")
            continue
        if not each.is_whole and not each.https_proxy and not context.opencode.client_base_url:
            message = f"OpenCode 2 has one ({name}); this system does not show where its requests go"
        elif leads := context.opencode.client_base_url or each.https_proxy:
            message = f"OpenCode 2 has one ({name}); its requests go to {_without_login(leads)}, not to this proxy"
        else:
            message = f"OpenCode 2 has one ({name}); its requests bypass this proxy and use your own key"
        fix = f"Send them through it: {_SET_UP}. Or `codex-transform run --restart-server opencode2`, for one command."
        yield warning("server", message, fix)
    if not found:
        yield ok("server", "OpenCode 2 has none running")


def _without_login(address: str) -> str:
    return address.rpartition("@")[2]
