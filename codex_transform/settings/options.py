"""Every setting: its names, its meaning, its default, and what a value of it may be.

`OPTIONS` is the one table: the proxy's options, the loading, the saving and the README are made from it. A reader takes
a value as any source brings it (text from the environment, JSON from the config file, what mitmproxy parsed) and
returns the one in force, or raises ValueError with words that go behind the name of the setting. No message shows a
key.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr

from codex_transform.endpoint import url as endpoint_url
from codex_transform.jsonc import parser

_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_HOST = re.compile(
    r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?))(?::(?P<port>[0-9]{1,5}))?"
)


class Settings(BaseModel):
    """The values in force. The defaults here are the only ones there are."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    base_url: str | None = None
    api_key: SecretStr | None = None
    mode: bool = True
    hosts: tuple[str, ...] = ("api.openai.com",)
    forward_client_key: bool = False
    originator: str = "opencode"
    instructions_file: Path | None = None
    catalog_url: str = "https://raw.githubusercontent.com/openai/codex"
    allow_remote: bool = False
    log_requests: bool = False
    connect_timeout: int = 30
    idle_timeout: int = 300
    keep_mb: int = 200
    drain_timeout: int = 10
    debug: bool = False


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    raise ValueError(f"must be text, not {parser.describe_type(value)}")


def _bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word not in _FLAGS:
        raise ValueError("must be on or off: write 1 or 0, true or false, yes or no")
    return _FLAGS[word]


def _int_between(least: int, most: int, unit: str) -> Callable[[object], int]:
    """Return a reader of whole numbers within bounds."""

    def read(value: object) -> int:
        word = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if re.fullmatch(r"[0-9]{1,9}", word) and least <= int(word) <= most:
            return int(word)
        raise ValueError(f"must be a whole number of {unit} from {least} to {most}")

    return read


def _base_url(value: object) -> str:
    text = _text(value)
    endpoint_url.parse(text)
    return text


def _api_key(value: object) -> SecretStr:
    text = _text(value.get_secret_value() if isinstance(value, SecretStr) else value)
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError(
            "must be the key alone, in printable ASCII without spaces or line breaks (and without the word Bearer)"
        )
    return SecretStr(text)


def _hosts(value: object) -> tuple[str, ...]:
    """Entries as connections name them: lower case, `name` or `name:port`, an IPv6 address without its brackets."""
    items = value if isinstance(value, list | tuple) else [value]
    entries = [entry for item in items for entry in re.split(r"[,\s]+", _text(item).lower()) if entry]
    if entries:
        return tuple(dict.fromkeys(_host(entry) for entry in entries))
    raise ValueError("names no host")


def _host(entry: str) -> str:
    match = _HOST.fullmatch(entry)
    if match and 0 < int(match["port"] or 1) < 65536:
        host = match["ipv6"] or match["name"]
        return f"{host}:{match['port']}" if match["port"] else host
    bare = re.split(r"[/?#]", entry.split("://")[-1])[0].rpartition("@")[2]
    if bare != entry and _HOST.fullmatch(bare):
        raise ValueError(f"lists hosts, not addresses: write {bare}")
    raise ValueError(f"{entry!r} is not a host: write a name such as api.openai.com, or name:port")


def _originator(value: object) -> str:
    text = _text(value)
    # RFC 9110 section 5.5, visible ASCII only: what every server takes.
    if not re.fullmatch(r"[!-~](?:[ -~]*[!-~])?", text):
        raise ValueError("goes into an HTTP header: printable ASCII in one line")
    return text


def _instructions_file(value: object) -> Path:
    text = _text(value)
    try:
        path = Path(text).expanduser().absolute()
        # A pipe or a device would keep the proxy waiting.
        content = path.read_bytes() if S_ISREG(path.stat().st_mode) else None
    except OSError as error:
        raise ValueError(f"{text} cannot be read: {error.strerror or error}") from None
    except (ValueError, RuntimeError) as error:  # a NUL in the path; ~ without a home
        raise ValueError(f"{text!r} is not a path: {error}") from None
    if content is None:
        raise ValueError(f"{text} is not a file")
    try:
        empty = not content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError(f"{text} is not UTF-8 text: save it as UTF-8") from None
    if empty:
        raise ValueError(f"{text} is empty: write the instructions into it, or unset the setting")
    return path


def _catalog_url(value: object) -> str:
    text = _text(value)
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s?#@\\\x00-\x1f\x7f]", text):
        raise ValueError("must be an http or https URL without query: the root of the raw files of openai/codex")
    return text.rstrip("/")


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: its names in the program, mitmproxy, the environment and the config file, and its meaning.

    `typespec` is what mitmproxy's `add_option` takes. `read` turns a value of any source into the one in force and
    raises ValueError with a sentence that goes behind the name of the setting.
    """

    field: str
    option: str
    environ: str
    key: str
    typespec: Any
    read: Callable[[object], object]
    help: str

    @property
    def default(self) -> Any:
        """The value in force when no source says anything; it fits `typespec`."""
        return Settings.model_fields[self.field].default


OPTIONS: tuple[Option, ...] = (
    Option(
        "base_url", "codex_base_url", "CODEX_BASE_URL", "baseURL", str | None, _base_url,
        "Base URL of your Codex endpoint, such as https://your-codex-api.com.",
    ),
    Option(
        "api_key", "codex_api_key", "CODEX_API_KEY", "apiKey", str | None, _api_key,
        "The endpoint's API key. Other users of a machine can see options: prefer the environment or the file.",
    ),
    Option(
        "mode", "codex_mode", "CODEX_MODE", "codexMode", bool, _bool,
        "Put a bridge to Codex in the place of OpenCode's own system prompt. Off: keep it and add a short note.",
    ),
    Option(
        "hosts", "codex_hosts", "CODEX_HOSTS", "hosts", Sequence[str], _hosts,
        "Hosts whose Responses API requests are rewritten, each host or host:port.",
    ),
    Option(
        "forward_client_key", "codex_forward_client_key", "CODEX_FORWARD_CLIENT_KEY", "forwardClientKey",
        bool, _bool, "Send the key that the client sent instead of the endpoint's own.",
    ),
    Option(
        "originator", "codex_originator", "CODEX_ORIGINATOR", "originator", str | None, _originator,
        "Value of the originator header.",
    ),
    Option(
        "instructions_file", "codex_instructions_file", "CODEX_INSTRUCTIONS_FILE", "instructionsFile",
        str | None, _instructions_file, "A text file to use as the instructions of every model.",
    ),
    Option(
        "catalog_url", "codex_catalog_url", "CODEX_CATALOG_URL", "catalogURL", str | None, _catalog_url,
        "Root of the raw files of openai/codex, for a mirror.",
    ),
    Option(
        "allow_remote", "codex_allow_remote", "CODEX_ALLOW_REMOTE", "allowRemote", bool, _bool,
        "Serve clients on other machines too: with your key.",
    ),
    Option(
        "log_requests", "codex_log_requests", "ENABLE_PLUGIN_REQUEST_LOGGING", "logRequests", bool, _bool,
        "Write each request, before and after, to files for inspection.",
    ),
    Option(
        "connect_timeout", "codex_connect_timeout", "CODEX_CONNECT_TIMEOUT", "connectTimeout",
        int, _int_between(1, 3600, "seconds"), "Seconds that connecting to the endpoint may take.",
    ),
    Option(
        "idle_timeout", "codex_idle_timeout", "CODEX_IDLE_TIMEOUT", "idleTimeout",
        int, _int_between(1, 86_400, "seconds"),
        "Seconds that the endpoint may send nothing, before an answer or within it.",
    ),
    Option(
        "keep_mb", "codex_keep_mb", "CODEX_KEEP_MB", "keepMB", int, _int_between(0, 100_000, "megabytes"),
        "Megabytes of requests and answers that mitmweb and the console keep; the oldest go first.",
    ),
    Option(
        "drain_timeout", "codex_drain_timeout", "CODEX_DRAIN_TIMEOUT", "drainTimeout",
        int, _int_between(0, 3600, "seconds"), "Seconds that calls under way may take when the proxy is stopped.",
    ),
    Option(
        "debug", "codex_debug", "DEBUG_CODEX_PLUGIN", "debug", bool, _bool,
        "Say more in the log.",
    ),
)  # fmt: skip
