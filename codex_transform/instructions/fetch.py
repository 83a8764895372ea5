"""Fetch one file of the Codex repository and extract what it says about its models.

Strategy: two functions that know nothing of caches or schedules. `fetch` is one conditional GET, with limits against a
misbehaving server and exactly three outcomes: a body, None for "not modified", or a FetchError whose reason fits on a
line. `extract` extracts the few texts and facts that matter from a file of half a megabyte and refuses whatever is not
such a file, so a login page with status 200 is never mistaken for one.
"""

import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

import certifi

from codex_transform import __version__
from codex_transform.catalog import Facts
from codex_transform.instructions.facts import read_facts
from codex_transform.jsonio import loads_strict

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e]*"')

MAX_BYTES = 32 * 1024 * 1024
_CHUNK = 64 * 1024


class FetchError(Exception):
    """The file could not be fetched. The message is one line, without the URL."""


class MissingError(FetchError):
    """The server has no such file (404)."""


class Fetched(NamedTuple):
    """A file and its ETag."""

    body: bytes
    etag: str | None


class Extracted(NamedTuple):
    """What a models.json holds: the instructions by slug, and the facts, one entry for each model."""

    texts: dict[str, str]
    facts: tuple[Facts, ...]


def validate_root(root: str) -> str | None:
    """Return what is wrong with `root` as the root URL of raw files, None if nothing is.

    The message never quotes the URL: one with user info contains a password.
    """
    # urlsplit silently removes line breaks.
    if not re.fullmatch(r"[\x21-\x7e]+", root):
        return "is not a URL"
    try:
        parts = urlsplit(root)
        host, user, _ = parts.hostname, parts.username, parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https") or not host:
        return "is not an http:// or https:// URL"
    if user is not None or parts.query or parts.fragment:
        return "must have no user info, query or fragment"
    return None


def is_etag(value: str) -> bool:
    """Return whether `value` is an entity tag by RFC 9110, section 8.8.3, in ASCII; nothing else is stored or sent."""
    return _ETAG.fullmatch(value) is not None


def fetch(url: str, etag: str | None, *, timeout: float, deadline: float) -> Fetched | None:
    """GET `url` and return it, or None if it still has `etag`.

    `timeout` limits the connect and each wait for data, `deadline` the arrival of the whole body, both in seconds;
    MAX_BYTES limits its size. The proxies of the environment are used. Raises MissingError for a 404 and FetchError for
    all other failures: no response, another status, a compressed body (none was requested), a truncated one, a redirect
    from https to http.
    """
    until = time.monotonic() + deadline
    headers = {"User-Agent": f"codex-transform/{__version__}", "Accept-Encoding": "identity"}
    if etag is not None:
        headers["If-None-Match"] = etag
    opener = urllib.request.build_opener(_Redirects, _Https)
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=timeout) as response:
            return Fetched(_read(response, until), _etag_of(response))
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 304 and etag is not None:
                return None
            if error.code == 404:
                raise MissingError("HTTP 404") from None
            raise FetchError(f"HTTP {error.code}") from None
    except urllib.error.URLError as error:
        raise FetchError(_through_proxy(url) + _line(error.reason)) from None
    except http.client.IncompleteRead:
        raise FetchError("the response was cut off") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(_line(error)) from None


def extract(body: bytes) -> Extracted:
    """Return the instructions and the facts in a models.json of the Codex CLI.

    The text of a model is its `base_instructions`, or else its `model_messages.instructions_template` with the default
    personality filled in; a model with neither is left out. Raises FetchError if the body is not such a file or has no
    text at all.
    """
    try:
        catalogue = loads_strict(body)
    except ValueError:
        raise FetchError("the response is not JSON") from None
    rows = catalogue.get("models") if isinstance(catalogue, dict) else None
    models = [row for row in (rows if isinstance(rows, list) else ()) if isinstance(row, dict)]
    texts = {model["slug"]: text for model in models if _text(model.get("slug")) and (text := _instructions(model))}
    if not texts:
        raise FetchError("the response is not a Codex model catalogue")
    return Extracted(texts, tuple(facts for model in models if (facts := read_facts(model))))


def _instructions(model: Mapping[str, Any]) -> str | None:
    if base := _text(model.get("base_instructions")):
        return base
    messages = _mapping(model.get("model_messages"))
    variables = _mapping(messages.get("instructions_variables")) or _mapping(model.get("instructions_variables"))
    template = _text(messages.get("instructions_template")) or ""
    personality = _text(variables.get("personality_default")) or ""
    # Only this placeholder is filled: other braces are part of the text, for the model.
    return _text(template.replace("{{ personality }}", personality))


def _text(value: object) -> str | None:
    # Half of a surrogate pair, which UTF-8 cannot encode, means a damaged file.
    return value if isinstance(value, str) and value.strip() and not _SURROGATE.search(value) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _read(response: http.client.HTTPResponse, until: float) -> bytes:
    if response.status != 200:
        raise FetchError(f"HTTP {response.status}")
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() not in ("", "identity"):
        raise FetchError("the response is compressed though that was not requested")
    announced = response.length
    if announced is not None and announced > MAX_BYTES:
        raise FetchError("the response is too large")
    body = bytearray()
    # read1 returns what one packet brought; with read, a server that drips bytes would outlast the deadline.
    while piece := response.read1(_CHUNK):
        body += piece
        if len(body) > MAX_BYTES:
            raise FetchError("the response is too large")
        if time.monotonic() > until:
            raise FetchError("the response took too long")
    if announced is not None and len(body) < announced:
        raise FetchError("the response was cut off")
    return bytes(body)


def _etag_of(response: http.client.HTTPResponse) -> str | None:
    etag = response.headers.get("ETag", "")
    return etag if is_etag(etag) else None


def _through_proxy(url: str) -> str:
    """Return what to put before the reason of a failed connect: the proxy of the environment, if one was used."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if not proxy or urllib.request.proxy_bypass(parts.netloc):
        return ""
    address = urlsplit(proxy if "//" in proxy else f"//{proxy}").netloc.rpartition("@")[2]
    return f"through the proxy {address} ({parts.scheme.upper()}_PROXY): "


def _line(reason: object) -> str:
    return " ".join(str(reason).split()) or type(reason).__name__


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects, but never from https to anything weaker."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        # Not req.type: urllib puts the proxy's scheme there. Comparing schemes also shuts out ftp.
        if urlsplit(newurl).scheme not in ("https", urlsplit(req.full_url).scheme):
            fp.close()
            raise FetchError("refused a redirect to an address without TLS")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Https(urllib.request.HTTPSHandler):
    """Load the certificates only when an https URL is really opened: that takes longer than the rest."""

    def __init__(self) -> None:
        # By default this kind of context requires a valid certificate for the right host.
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        super().__init__(context=self._tls)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        self._tls.load_default_certs()
        # In addition to the system's own: Python from python.org for macOS comes without any.
        self._tls.load_verify_locations(certifi.where())
        return super().https_open(req)
