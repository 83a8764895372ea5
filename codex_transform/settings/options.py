"""Every setting: its names, its meaning, its default, and what a value of it may be.

The fields of `Settings` say it all, once. `OPTIONS` is made from them, and the proxy's options, the loading, the saving
and the documented table are made from `OPTIONS`. A validator takes a value as any source brings it (text from the
environment, JSON from the config file, what mitmproxy parsed) and returns the one in force, or raises ValueError with
words that follow the name of the setting, an InvalidValue where they also say what to write. No message shows a key.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from stat import S_ISREG
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from codex_transform.endpoint import url as endpoint_url
from codex_transform.errors import InvalidValue
from codex_transform.jsonio import describe_type
from codex_transform.redaction import Secret
from codex_transform.settings import state_url
from codex_transform.settings.state_url import StateUrl

_BOOLS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_HOST = re.compile(
    r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?))(?::(?P<port>[0-9]{1,5}))?"
)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    raise ValueError(f"must be text, not {describe_type(value)}")


def _bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word not in _BOOLS:
        raise InvalidValue("must be on or off", "write 1 or 0, true or false, yes or no")
    return _BOOLS[word]


def _int_between(least: int, most: int, unit: str) -> Callable[[object], int]:
    """Return a validator of whole numbers within bounds."""

    def read(value: object) -> int:
        word = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if re.fullmatch(r"[0-9]{1,9}", word) and least <= int(word) <= most:
            return int(word)
        raise ValueError(f"must be a whole number of {unit} from {least} to {most}")

    return read


def _one_of(*words: str) -> Callable[[object], str]:
    """Return a validator of words."""

    def read(value: object) -> str:
        word = _text(value).lower()
        if word in words:
            return word
        raise ValueError(f"must be one of {', '.join(words)}")

    return read


def _base_url(value: object) -> str:
    text = _text(value)
    endpoint_url.parse(text)
    return text


def _api_key(value: object) -> Secret:
    text = _text(value.value if isinstance(value, Secret) else value)
    # Servers take some 8 KB of headers in all.
    if not re.fullmatch(r"[!-~]{1,4096}", text):
        raise ValueError(
            "must be the key alone, up to 4,096 characters of printable ASCII without spaces or line breaks "
            "(and without the word Bearer)"
        )
    return Secret(text)


def _entries(value: object) -> list[str]:
    """Return the words of a list, or of a text with commas or spaces between them."""
    items = value if isinstance(value, list | tuple) else [value]
    return [entry for item in items for entry in re.split(r"[,\s]+", _text(item).lower()) if entry]


def _hosts(value: object) -> tuple[str, ...]:
    """Return hosts as connections name them: lower case, `name` or `name:port`, an IPv6 address without brackets."""
    if entries := _entries(value):
        return tuple(dict.fromkeys(_host(entry) for entry in entries))
    raise InvalidValue("names no host", "write a name such as api.openai.com")


def _host(entry: str) -> str:
    match = _HOST.fullmatch(entry)
    if match and 0 < int(match["port"] or 1) < 65536:
        host = match["ipv6"] or match["name"]
        return f"{host}:{match['port']}" if match["port"] else host
    bare = re.split(r"[/?#]", entry.split("://")[-1])[0].rpartition("@")[2]
    if bare != entry and _HOST.fullmatch(bare):
        raise InvalidValue("lists hosts, not addresses", f"write {bare}")
    raise InvalidValue(f"{entry!r} is not a host", "write a name such as api.openai.com, or name:port")


def _networks(value: object) -> tuple[str, ...]:
    """Return networks, an address as the network of it alone."""
    if entries := _entries(value):
        return tuple(dict.fromkeys(_network(entry) for entry in entries))
    raise InvalidValue("names no address", "write one such as 10.0.0.5, or a network such as 10.0.0.0/24")


def _network(entry: str) -> str:
    try:
        return str(ipaddress.ip_network(entry))
    except ValueError as error:
        why = f" ({error})" if "host bits" in str(error) else ""
        fix = "write an address such as 10.0.0.5, or a network such as 10.0.0.0/24"
        raise InvalidValue(f"{entry!r} is neither an address nor a network{why}", fix) from None


def _listen_address(value: object) -> str:
    """Return `host:port`, an IPv6 address in brackets; a port alone is one of loopback."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value).lower()
    match = _HOST.fullmatch(f"127.0.0.1:{text}" if text.isdecimal() else text)
    if not match or match["port"] is None or int(match["port"]) > 65535:
        raise ValueError("must be a port, or host:port with an IPv6 address in brackets; port 0 is any free one")
    # That name may stand for two addresses, and then port 0 would be two ports.
    name = "127.0.0.1" if match["name"] == "localhost" else match["name"]
    host = f"[{match['ipv6']}]" if match["ipv6"] else name
    return f"{host}:{int(match['port'])}"


def _originator(value: object) -> str:
    text = _text(value)
    # RFC 9110 section 5.5, visible ASCII only: what every server takes.
    if not re.fullmatch(r"[!-~](?:[ -~]*[!-~])?", text):
        raise InvalidValue("goes into an HTTP header", "use printable ASCII in one line")
    return text


def _instructions_file(value: object) -> Path:
    text = _text(str(value) if isinstance(value, Path) else value)
    try:
        path = Path(text).expanduser().absolute()
        # A pipe or a device would keep the proxy waiting.
        content = path.read_bytes() if S_ISREG(path.stat().st_mode) else None
    except OSError as error:
        raise InvalidValue(
            f"{text} cannot be read ({error.strerror or error})", "name a file that you can read"
        ) from None
    except (ValueError, RuntimeError) as error:  # a NUL in the path; ~ without a home
        raise InvalidValue(f"{text!r} is not a path ({error})", "write the whole path of a file") from None
    if content is None:
        raise InvalidValue(f"{text} is not a file", "name a text file")
    try:
        empty = not content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise InvalidValue(f"{text} is not UTF-8 text", "save it as UTF-8") from None
    if empty:
        raise InvalidValue(f"{text} is empty", "write the instructions into it, or unset the setting")
    return path


def _catalog_url(value: object) -> str:
    text = _text(value)
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s?#@\\\x00-\x1f\x7f]", text):
        raise ValueError("must be the http or https URL, without a query, of the root of the raw files of openai/codex")
    return text.rstrip("/")


def _state(value: object) -> str | StateUrl:
    if isinstance(value, StateUrl):
        return value
    text = _text(value)
    return text.lower() if text.lower() in ("memory", "disk", "off") else state_url.parse(text)


READ_BASE_URL, READ_API_KEY = _base_url, _api_key
"""The validators of an endpoint's address and key."""


def _setting(default: object, environ: str, key: str, read: Callable[[object], object], meaning: str) -> Any:
    """Return a field of `Settings`: its default, environment variable, key in the config file, validator and help."""
    return field(default=default, metadata={"environ": environ, "key": key, "read": read, "help": meaning})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The values in force, with their defaults, names, validators and meanings."""

    base_url: str | None = _setting(
        None,
        "CODEX_BASE_URL",
        "baseURL",
        _base_url,
        "Base URL of your Codex endpoint, such as https://your-codex-api.com.",
    )
    api_key: Secret | None = _setting(  # noqa: RUF009 - it makes a field
        None,
        "CODEX_API_KEY",
        "apiKey",
        _api_key,
        "The endpoint's API key. Other users of this machine can see options: prefer the environment or the file.",
    )
    mode: bool = _setting(
        True,
        "CODEX_MODE",
        "codexMode",
        _bool,
        "Replace OpenCode's own system prompt with a bridge to Codex. Off: keep it and add a short note.",
    )
    hosts: tuple[str, ...] = _setting(
        ("api.openai.com",),
        "CODEX_HOSTS",
        "hosts",
        _hosts,
        "Hosts whose Responses API requests are rewritten, each host or host:port.",
    )
    forward_client_key: bool = _setting(
        False,
        "CODEX_FORWARD_CLIENT_KEY",
        "forwardClientKey",
        _bool,
        "Send the key that the client sent instead of the endpoint's own.",
    )
    originator: str | None = _setting(
        None,
        "CODEX_ORIGINATOR",
        "originator",
        _originator,
        "Value of the originator header. Unset: the client's own, opencode for one that sends none.",
    )
    instructions: Literal["auto", "codex", "client"] = _setting(
        "auto",
        "CODEX_INSTRUCTIONS",
        "instructions",
        _one_of("auto", "codex", "client"),
        "Whose instructions are sent. auto: Codex's for OpenCode, every other client's own. "
        "codex: Codex's for all, the client's own as a message. client: the client's own for all.",
    )
    instructions_file: Path | None = _setting(  # noqa: RUF009 - it makes a field
        None,
        "CODEX_INSTRUCTIONS_FILE",
        "instructionsFile",
        _instructions_file,
        "A text file to use instead of Codex's instructions, for every model.",
    )
    catalog_url: str = _setting(
        "https://raw.githubusercontent.com/openai/codex",
        "CODEX_CATALOG_URL",
        "catalogURL",
        _catalog_url,
        "Base URL of the raw files of openai/codex; change it to use a mirror.",
    )
    allow_remote: bool = _setting(
        False, "CODEX_ALLOW_REMOTE", "allowRemote", _bool, "Also serve clients on other machines, with your key."
    )
    clients: bool = _setting(
        True,
        "CODEX_CLIENTS",
        "clients",
        _bool,
        "Require a key that `codex-transform clients` made, if there are any; run and doctor never do.",
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (),
        "CODEX_TRUSTED_PROXIES",
        "trustedProxies",
        _networks,
        "Addresses and networks of proxies in front of this one, whose word about their clients' addresses "
        "is accepted (PROXY protocol, X-Forwarded-For). No client behind them counts as a program on this machine.",
    )
    log_requests: bool = _setting(
        False,
        "ENABLE_PLUGIN_REQUEST_LOGGING",
        "logRequests",
        _bool,
        "Write each request, as it came and as it is sent, and its response to files.",
    )
    connect_timeout: int = _setting(
        30,
        "CODEX_CONNECT_TIMEOUT",
        "connectTimeout",
        _int_between(1, 3600, "seconds"),
        "Seconds that connecting to the endpoint may take.",
    )
    idle_timeout: int = _setting(
        300,
        "CODEX_IDLE_TIMEOUT",
        "idleTimeout",
        _int_between(1, 86_400, "seconds"),
        "Seconds that the endpoint may be silent, before an answer or during it.",
    )
    keep_mb: int = _setting(
        200,
        "CODEX_KEEP_MB",
        "keepMB",
        _int_between(0, 100_000, "megabytes"),
        "Megabytes of requests and answers that mitmweb and the console keep; oldest are dropped first.",
    )
    drain_timeout: int = _setting(
        10,
        "CODEX_DRAIN_TIMEOUT",
        "drainTimeout",
        _int_between(0, 3600, "seconds"),
        "Seconds that calls in progress have to finish when the proxy is stopped.",
    )
    heal: bool = _setting(
        True,
        "CODEX_HEAL",
        "heal",
        _bool,
        "Send a request that the endpoint refuses again, without the part that it refuses. Off: send no request twice.",
    )
    retries: int = _setting(
        1,
        "CODEX_RETRIES",
        "retries",
        _int_between(0, 3, "retries"),
        "How often a request is sent again if the endpoint fails or is overloaded within two seconds.",
    )
    state: str | StateUrl = _setting(  # noqa: RUF009 - it makes a field
        "memory",
        "CODEX_STATE",
        "state",
        _state,
        "Where to store responses that clients want stored: memory, until the proxy ends; disk, for 30 "
        "days; off, nowhere, and requests that refer to stored ones are refused. With disk, the proxies of one machine "
        "act as one; with the URL of a Redis server, such as redis://10.0.0.5:6379/0, those of several machines do.",
    )
    limits_fail: Literal["open", "closed"] = _setting(
        "open",
        "CODEX_LIMITS_FAIL",
        "limitsFail",
        _one_of("open", "closed"),
        "What happens to people's limits while codex_state cannot be reached. open: each proxy counts on "
        "its own. closed: people with limits are refused.",
    )
    admin_listen: str | None = _setting(
        None,
        "CODEX_ADMIN_LISTEN",
        "adminListen",
        _listen_address,
        "Where to serve /healthz, /readyz and /metrics: a port on loopback, or host:port.",
    )
    log_format: Literal["text", "json"] = _setting(
        "text",
        "CODEX_LOG_FORMAT",
        "logFormat",
        _one_of("text", "json"),
        "Format of the log. text: lines for people. json: one object per line, for log collectors.",
    )
    debug: bool = _setting(False, "DEBUG_CODEX_PLUGIN", "debug", _bool, "Log more details.")


class Option(NamedTuple):
    """One setting: its names in the program, mitmproxy, the environment and the config file, and its meaning.

    `typespec` is what mitmproxy's `add_option` takes, and `default` fits it. `read` turns a value of any source into
    the one in force and raises ValueError with words that follow the name of the setting.
    """

    field: str
    option: str
    environ: str
    key: str
    typespec: Any
    default: Any
    read: Callable[[object], object]
    help: str


# Everything else is text on the command line.
_TYPESPECS: dict[Any, Any] = {bool: bool, int: int, tuple[str, ...]: Sequence[str]}


def _option(info: Field[Any]) -> Option:
    typespec = _TYPESPECS.get(info.type, str | None)
    return Option(info.name, f"codex_{info.name}", typespec=typespec, default=info.default, **info.metadata)


OPTIONS: tuple[Option, ...] = tuple(map(_option, fields(Settings)))
