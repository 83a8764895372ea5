"""The URL of a Redis or Valkey server, as `codex_state` takes it.

The forms are those of the `redis` package: `redis://[[user]:password@]host[:port][/database]`, the same with `rediss://`
for TLS, and `unix://[[user]:password@]/path[?db=database]`.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from codex_transform.errors import InvalidValue

SCHEMES = ("redis", "rediss", "unix")

_PORT = 6379
_HOST = re.compile(r"\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?")
_DATABASE = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True)
class StateUrl:
    """A URL: `text` is all of it, `shown` and `str()` have no password."""

    text: str = field(repr=False)
    shown: str
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return self.shown

    @property
    def scheme(self) -> str:
        """The part before the `://`."""
        return urlsplit(self.text).scheme

    @property
    def with_password(self) -> str:
        """The URL as it looks with a password, which is called PASSWORD."""
        return self.shown.replace("://", "://:PASSWORD@", 1)

    def redacted(self, text: str) -> str:
        """Return a text in which the URL and the password are redacted."""
        text = text.replace(self.text, self.shown)
        for password in {self.password, quote(self.password), quote(self.password, safe="")} - {""}:
            text = text.replace(password, "…")
        return text


def parse(text: str) -> StateUrl:
    """Return a URL. Raises ValueError with words that follow the name of a setting, and quote no part of the URL."""
    if re.search(r"[\s\x00-\x1f\x7f\\]", text) or not text.isascii():
        raise InvalidValue("has a character that a URL cannot contain", "percent-encode it")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("is not the URL of a Redis server: its host or port cannot be read") from None
    if parts.scheme not in SCHEMES:
        raise ValueError("must be memory, disk, off, or a Redis URL that begins with redis://, rediss:// or unix://")
    if parts.fragment or "#" in text:
        raise InvalidValue("has a # in it", "write %23 in a password")
    if parts.username and parts.password is None:
        raise InvalidValue(
            "has a user without a password", "write redis://user:password@host, or redis://:password@host"
        )
    password = unquote(parts.password or "")
    user = f"{parts.username or ''}:…@" if password else ""
    if parts.scheme == "unix":
        query = re.fullmatch(rf"(?:db=({_DATABASE.pattern}))?", parts.query)
        if parts.hostname or port is not None or len(parts.path) < 2 or not query:
            raise ValueError("must be unix:///path/of/the/socket, with ?db=1 for another database than 0")
        return StateUrl(text, f"unix://{user}{parts.path}{'?' if parts.query else ''}{parts.query}", password)
    # As it was written: urlsplit takes the brackets off.
    host = re.sub(r":[0-9]*$", "", parts.netloc.rpartition("@")[2].lower())
    if not _HOST.fullmatch(host) or port == 0:
        raise ValueError("must name a host, and a port other than 0 if any, as in redis://10.0.0.5:6379/0")
    database = parts.path.strip("/")
    if parts.query or parts.path.count("/") > 1 or (database and not _DATABASE.fullmatch(database)):
        raise ValueError("may end with the number of a database, as in redis://10.0.0.5:6379/0, and nothing else")
    return StateUrl(text, f"{parts.scheme}://{user}{host}:{port or _PORT}/{database or 0}", password)


def parse_or_none(text: str) -> StateUrl | None:
    """Return a URL; None if it is not valid."""
    try:
        return parse(text.strip())
    except ValueError:
        return None
