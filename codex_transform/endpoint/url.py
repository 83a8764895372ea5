"""Where requests go: the base URL, which requests are ours, and the headers that leave.

A base URL is what the user was given; an `Endpoint` is the address that the Codex backend format is sent to.
All of it is pure: the proxy hands in strings and header fields.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}

# A shorter key may be any word: its occurrences are not taken for it.
_SHORTEST_KEY = 8

# A request path is ours when it ends in /responses, or goes on below it in plain segments.
_RESPONSES_PATH = re.compile(r"(?:/[^/?#]+)*/responses(?P<below>(?:/[A-Za-z0-9_-]+)*)/?(?:\?.*)?")

# What must not leave: the client's credentials, what an intermediary said (RFC 9110 section 7.6.1), what described the
# body before it was rewritten, and what a Codex request says itself.
_DROPPED = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"api-key",
        b"authorization",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"cookie",
        b"expect",
        b"forwarded",
        b"host",
        b"keep-alive",
        b"openai-beta",
        b"openai-organization",
        b"openai-project",
        b"originator",
        b"session-id",
        b"session_id",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"via",
        b"x-api-key",
        b"x-real-ip",
    }
)
_DROPPED_PREFIXES = (b"proxy-", b"x-forwarded-")

# The names under which OpenCode (1.1 to 1.18) and the Codex CLI send their session id.
_SESSION_HEADERS = (b"session_id", b"session-id", b"x-session-id")

# One header field as it is on the wire.
Field = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A Codex endpoint: `host` without brackets, `port` always set, `path` ending in /responses."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Scheme, host and port as a person writes them: `https://host`, the port only if it is unusual."""
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
        """True when the key would cross a network unencrypted: plain http to another machine."""
        return self.scheme == "http" and not is_loopback(self.host)

    def matches(self, host: str, port: int) -> bool:
        """True when `host` and `port` are this endpoint's own."""
        return host.lower().rstrip(".") == self.host and port == self.port


def parse(base_url: str) -> Endpoint:
    """The endpoint that a base URL stands for.

    A URL that ends in /responses is taken as it is, one that ends in /v1 gets /responses, every other gets
    what is missing of /backend-api/codex/responses. Raises ValueError with a sentence that says what is wrong
    and what to write instead; it names no setting, because only the caller knows where the text came from.
    """
    text = base_url.strip()
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise ValueError("a URL holds no spaces, control characters or backslashes")
    if "://" not in text:
        # Shown again only if it surely is a host: it might be a key in the wrong place.
        shown = (
            text
            if re.fullmatch(r"(?!sk-)[\w-]+(\.[\w-]+)*\.[a-z]{2,12}(:\d+)?(/[\w./-]*)?", text)
            else "your-codex-api.com"
        )
        raise ValueError(f"the scheme is missing: write https://{shown}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        raise ValueError(f"the scheme is {parts.scheme!r}: only http and https lead to an endpoint")
    if "@" in parts.netloc:
        raise ValueError("user name or password in the URL: give the key in codex_api_key instead")
    if not parts.hostname:
        raise ValueError("the host is missing: write https://your-codex-api.com")
    host = _in_ascii(parts.hostname)
    if not host or port == 0:
        raise ValueError(f"{parts.netloc!r} is not a host")
    if "?" in text or "#" in text:
        raise ValueError("a base URL has no query (?) and no fragment (#)")
    if re.search(r"(^|/)\.{1,2}(/|$)|%2f|%2e|%5c|//", parts.path, re.IGNORECASE):
        raise ValueError(f"the path {parts.path!r} holds empty, dot or encoded segments")
    # As RFC 3986 has it; what is encoded already stays.
    path = quote(parts.path.rstrip("/"), safe="/%!$&'()*+,:;=@~")
    return Endpoint(scheme, host, port or _DEFAULT_PORTS[scheme], _complete(path))


def _in_ascii(host: str) -> str | None:
    """A host as requests and certificates name it, a name in another script by its ASCII form (RFC 5890).

    None for what is no host.
    """
    if ":" in host:
        return host.lower()  # IPv6: urlsplit has looked at it
    try:
        name = host.encode("idna").decode().lower().rstrip(".")
    except UnicodeError:
        return None
    return name if re.fullmatch(r"(?:[\w-]+\.)*[\w-]+", name) else None


def _complete(path: str) -> str:
    for ending, rest in (
        ("/responses", ""),
        ("/v1", "/responses"),
        ("/backend-api/codex", "/responses"),
        ("/backend-api", "/codex/responses"),
    ):
        if path.endswith(ending):
            return path + rest
    return path + "/backend-api/codex/responses"


def below_responses(path: str) -> str | None:
    """What follows /responses in a request path: "" for itself, "/compact" below it, None if not ours."""
    match = _RESPONSES_PATH.fullmatch(path)
    return match["below"] if match else None


def is_our_host(host: str, port: int, hosts: Iterable[str], endpoint: Endpoint | None) -> bool:
    """True when traffic to `host:port` may be looked at: a host of `codex_hosts`, or the endpoint itself.

    An entry of `hosts` is `name` (any port) or `name:port`.
    """
    name = host.lower().rstrip(".")
    if endpoint is not None and endpoint.matches(name, port):
        return True
    return any(entry in (name, f"{name}:{port}") for entry in hosts)


def is_loopback(host: str) -> bool:
    """True for this machine itself: localhost (RFC 6761) and the loopback addresses."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def client_session(fields: Iterable[Field]) -> str | None:
    """The session id that the client sent in a header, if it sent one."""
    given = {name.lower(): value for name, value in fields}
    value = next((given[name] for name in _SESSION_HEADERS if given.get(name)), None)
    return None if value is None else value.decode("utf-8", "surrogateescape")


def passed_on(fields: Iterable[Field]) -> list[Field]:
    """The header fields of a client's request that go to the endpoint as well."""
    named = [(name.lower(), name, value) for name, value in fields]
    dropped = _DROPPED
    for lower, _, value in named:
        if lower == b"connection":
            dropped |= {each.strip().lower() for each in value.split(b",")}
    return [
        (name, value)
        for lower, name, value in named
        if lower not in dropped and not lower.startswith(_DROPPED_PREFIXES)
    ]


def codex_headers(*, authorization: str, originator: str, session: str | None, streaming: bool = True) -> list[Field]:
    """The header fields that make a Codex request, but for Host and Content-Length.

    `authorization` is the whole header value. The names are those that the Codex CLI sends to its backend (releases
    0.111 to 0.169).
    """
    headers = [
        (b"Authorization", authorization.encode("utf-8", "surrogateescape")),
        (b"Content-Type", b"application/json"),
        (b"Accept", b"text/event-stream" if streaming else b"application/json"),
        (b"Accept-Encoding", b"identity"),
        (b"OpenAI-Beta", b"responses=experimental"),
        (b"originator", originator.encode("utf-8", "surrogateescape")),
    ]
    if session:
        # A prompt_cache_key may hold any characters, even half of a surrogate pair; a header value may not.
        value = quote(session, safe="!#$&'()*+,/:;=?@[]~ ", errors="replace").strip().encode()
        headers += (b"session_id", value), (b"session-id", value)
    return headers


def unsaid(said: bytes, key: str) -> bytes:
    """What was said, in which the key, should it be quoted there, is as it may be shown."""
    if len(key) < _SHORTEST_KEY:
        return said
    # A client's own key may be any bytes: see `codex_headers`.
    whole, shown = (each.encode("utf-8", "surrogateescape") for each in (key, redact(key)))
    return said.replace(whole, shown)


def unsaid_text(said: str, key: str) -> str:
    """The same for a text; halves of surrogate pairs, which could not be sent on, become question marks."""
    return unsaid(said.encode(errors="replace"), key).decode(errors="replace")


def redact(key: str) -> str:
    """A key as it may be shown to its owner: `sk-…abcd`; a short one not at all."""
    return f"{key[:3]}…{key[-4:]}" if len(key) >= 16 else "…"
