"""Turn a base URL into an endpoint.

A base URL is what users get from their provider; an `Endpoint` is the address that requests are sent to.
"""

import codecs
import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from codex_transform.endpoint.hosts import is_loopback
from codex_transform.errors import InvalidValue

# Python looks a codec up when it is first used, and cannot where the working directory has been removed by then.
codecs.lookup("idna")

_DEFAULT_PORTS = {"http": 80, "https": 443}
_EXAMPLE = "https://your-codex-api.com"

_API = ("responses", "conversations", "models")
# A segment of a path before one of these, and one after it. Neither is a dot segment, nor encoded.
_BEFORE = re.compile(r"(?!\.)[^#%]+")
_AFTER = re.compile(r"(?!\.)[\w.-]+", re.ASCII)


class Endpoint(NamedTuple):
    """A Codex endpoint: `host` without brackets, `port` always set, `path` ending in /responses."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Scheme, host and port as people write them: `https://host`, the port only if it is not the default."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """The value of the Host header (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address of the endpoint."""
        return self.origin + self.path

    @property
    def exposes_key(self) -> bool:
        """Whether the key would cross a network unencrypted: plain http to another machine."""
        return self.scheme == "http" and not is_loopback(self.host)

    def matches(self, host: str, port: int) -> bool:
        """Return whether `host` and `port` are those of this endpoint."""
        return host.lower().rstrip(".") == self.host and port == self.port


def parse(base_url: str) -> Endpoint:
    """Return the endpoint that a base URL stands for.

    A URL that ends in /responses is used as it is, one that ends in /v1 gets /responses, and to every other one the
    missing part of /backend-api/codex/responses is added. Raises InvalidValue with what is wrong and what to write
    instead; the message names no setting, because only the caller knows where the text came from.
    """
    text = base_url.strip()
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise InvalidValue("a URL holds no spaces, control characters or backslashes", "remove them")
    if "://" not in text:
        # Quoted only if it surely is a host: it might be a key in the wrong place.
        example = (
            text
            if re.fullmatch(r"(?!sk-)[\w-]+(\.[\w-]+)*\.[a-z]{2,12}(:\d+)?(/[\w./-]*)?", text)
            else "your-codex-api.com"
        )
        raise InvalidValue("the scheme is missing", f"write https://{example}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidValue(f"not a URL ({error})", f"write {_EXAMPLE}") from None
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        raise InvalidValue(f"the scheme is {parts.scheme!r}", "write http or https")
    if "@" in parts.netloc:
        raise InvalidValue("user name or password in the URL", "set the key in codex_api_key instead")
    if not parts.hostname:
        raise InvalidValue("the host is missing", f"write {_EXAMPLE}")
    host = _to_ascii_host(parts.hostname)
    if not host or port == 0:
        raise InvalidValue(f"{parts.netloc!r} is not a host", f"write {_EXAMPLE}")
    if "?" in text or "#" in text:
        raise InvalidValue("a base URL has no query (?) and no fragment (#)", "remove it")
    if re.search(r"(^|/)\.{1,2}(/|$)|%2f|%2e|%5c|//", parts.path, re.IGNORECASE):
        raise InvalidValue(f"the path {parts.path!r} holds empty, dot or encoded segments", "remove them")
    # By RFC 3986; what is already encoded stays.
    path = quote(parts.path.rstrip("/"), safe="/%!$&'()*+,:;=@~")
    return Endpoint(scheme, host, port or _DEFAULT_PORTS[scheme], _complete_path(path))


def _to_ascii_host(host: str) -> str | None:
    """Return a host as requests and certificates name it: an international name in its ASCII form (RFC 5890).

    The result is None for what is no host.
    """
    if ":" in host:
        return host.lower()  # IPv6, validated by urlsplit
    try:
        name = host.encode("idna").decode().lower().rstrip(".")
    except UnicodeError:
        return None
    return name if re.fullmatch(r"(?:[\w-]+\.)*[\w-]+", name) else None


def _complete_path(path: str) -> str:
    for ending, rest in (
        ("/responses", ""),
        ("/v1", "/responses"),
        ("/backend-api/codex", "/responses"),
        ("/backend-api", "/codex/responses"),
    ):
        if path.endswith(ending):
            return path + rest
    return path + "/backend-api/codex/responses"


def api_path(path: str) -> str | None:
    """Return the path of the API that a request path is for, such as "/responses/compact", without query.

    None for a path that has nothing to do with responses, conversations or models. What clients put before it, such as
    /v1 or /backend-api/codex, is of no importance.
    """
    # Segment by segment, and not by one expression: that would take seconds for a path of 60 KB.
    root, *segments = path.partition("?")[0].removesuffix("/").split("/")
    if root or not all(map(_BEFORE.fullmatch, segments)):
        return None
    begin = None
    for index, segment in enumerate(segments):
        if begin is None:
            begin = index if segment in _API else None
        elif not _AFTER.fullmatch(segment):
            begin = None
    return None if begin is None else "/" + "/".join(segments[begin:])
