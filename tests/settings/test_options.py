import dataclasses
import os
from pathlib import Path

import pytest

from codex_transform.redaction import Secret
from codex_transform.settings.options import OPTIONS, Settings

READ = {option.field: option.read for option in OPTIONS}


def test_the_table_is_the_contract() -> None:
    table = {option.field: (option.option, option.environ, option.key, option.default) for option in OPTIONS}
    assert table == {
        "base_url": ("codex_base_url", "CODEX_BASE_URL", "baseURL", None),
        "api_key": ("codex_api_key", "CODEX_API_KEY", "apiKey", None),
        "mode": ("codex_mode", "CODEX_MODE", "codexMode", True),
        "hosts": ("codex_hosts", "CODEX_HOSTS", "hosts", ("api.openai.com",)),
        "forward_client_key": ("codex_forward_client_key", "CODEX_FORWARD_CLIENT_KEY", "forwardClientKey", False),
        "originator": ("codex_originator", "CODEX_ORIGINATOR", "originator", None),
        "instructions": ("codex_instructions", "CODEX_INSTRUCTIONS", "instructions", "auto"),
        "state": ("codex_state", "CODEX_STATE", "state", "memory"),
        "limits_fail": ("codex_limits_fail", "CODEX_LIMITS_FAIL", "limitsFail", "open"),
        "instructions_file": ("codex_instructions_file", "CODEX_INSTRUCTIONS_FILE", "instructionsFile", None),
        "catalog_url": (
            "codex_catalog_url",
            "CODEX_CATALOG_URL",
            "catalogURL",
            "https://raw.githubusercontent.com/openai/codex",
        ),
        "allow_remote": ("codex_allow_remote", "CODEX_ALLOW_REMOTE", "allowRemote", False),
        "clients": ("codex_clients", "CODEX_CLIENTS", "clients", True),
        "trusted_proxies": ("codex_trusted_proxies", "CODEX_TRUSTED_PROXIES", "trustedProxies", ()),
        "log_requests": ("codex_log_requests", "ENABLE_PLUGIN_REQUEST_LOGGING", "logRequests", False),
        "connect_timeout": ("codex_connect_timeout", "CODEX_CONNECT_TIMEOUT", "connectTimeout", 30),
        "idle_timeout": ("codex_idle_timeout", "CODEX_IDLE_TIMEOUT", "idleTimeout", 300),
        "keep_mb": ("codex_keep_mb", "CODEX_KEEP_MB", "keepMB", 200),
        "drain_timeout": ("codex_drain_timeout", "CODEX_DRAIN_TIMEOUT", "drainTimeout", 10),
        "heal": ("codex_heal", "CODEX_HEAL", "heal", True),
        "retries": ("codex_retries", "CODEX_RETRIES", "retries", 1),
        "admin_listen": ("codex_admin_listen", "CODEX_ADMIN_LISTEN", "adminListen", None),
        "log_format": ("codex_log_format", "CODEX_LOG_FORMAT", "logFormat", "text"),
        "debug": ("codex_debug", "DEBUG_CODEX_PLUGIN", "debug", False),
    }


def test_every_setting_has_an_option_and_a_help_text() -> None:
    assert [option.field for option in OPTIONS] == [field.name for field in dataclasses.fields(Settings)]
    assert all(option.help.endswith(".") and "\n" not in option.help for option in OPTIONS)


def test_settings_and_options_are_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().mode = False  # type: ignore[misc]
    with pytest.raises(AttributeError):
        OPTIONS[0].field = "x"  # type: ignore[misc]


@pytest.mark.parametrize("field", ["mode", "forward_client_key", "allow_remote", "log_requests", "debug"])
@pytest.mark.parametrize(
    ("values", "parsed"),
    [
        ((True, "1", "true", "True", "yes", "YES", "on", " On ", 1), True),
        ((False, "0", "false", "FALSE", "no", "off", "Off", 0), False),
    ],
)
def test_spellings_of_on_and_off(field: str, values: tuple[object, ...], parsed: bool) -> None:
    assert all(READ[field](value) is parsed for value in values)


@pytest.mark.parametrize("value", ["maybe", "2", "t", 2, 1.0, [], {}, "10" * 5000])
def test_other_values_of_a_flag_are_invalid(value: object) -> None:
    with pytest.raises(ValueError, match="on or off: write 1 or 0"):
        READ["mode"](value)


@pytest.mark.parametrize("value", [30, "30", " 30\n", "0030"])
def test_spellings_of_a_number(value: object) -> None:
    assert READ["idle_timeout"](value) == 30


@pytest.mark.parametrize("value", ["", "soon", 0, -1, "1.5", 1.5, True, 86_401, "9" * 5000, "\u0663", None, [30]])
def test_other_values_of_a_number_are_invalid(value: object) -> None:
    with pytest.raises(ValueError, match="whole number of seconds from 1 to 86400"):
        READ["idle_timeout"](value)


def test_keeping_no_bodies_is_allowed() -> None:
    assert READ["keep_mb"]("0") == 0


@pytest.mark.parametrize("key", ["sk-abc", "  sk-abc\n", "!~", "a" * 4000])
def test_keys_are_stripped_and_not_shown(key: str) -> None:
    read = READ["api_key"](key)
    assert isinstance(read, Secret)
    assert read.value == key.strip()
    assert key.strip() not in repr(read) + str(read) + repr(Settings(api_key=read)) + str(Settings(api_key=read))
    assert READ["api_key"](read) == read


@pytest.mark.parametrize(
    "key", ["sk secret", "sk\nsecret", "Bearer secret", "secrét", "secret\x00", "secret\u200b", "sécret"]
)
def test_keys_that_do_not_fit_a_header_are_invalid_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="the key alone") as caught:
        READ["api_key"](key)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", [5, True, ["sk-secret"], {"key": "sk-secret"}])
def test_a_key_of_a_wrong_type_is_not_shown(value: object) -> None:
    with pytest.raises(ValueError, match="must be text, not") as caught:
        READ["api_key"](value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "hosts"),
    [
        ("api.openai.com", ("api.openai.com",)),
        ("API.OpenAI.com:443", ("api.openai.com:443",)),
        ("a, b c", ("a", "b", "c")),
        (" a ,, b\n", ("a", "b")),
        (["a", "B:80"], ("a", "b:80")),
        (["a,b", "c d"], ("a", "b", "c", "d")),
        (("a", "a", "b", "a"), ("a", "b")),
        ("127.0.0.1:8080 localhost", ("127.0.0.1:8080", "localhost")),
        ("[::1] [::1]:8080", ("::1", "::1:8080")),
        ("my_host.local xn--bcher-kva.example", ("my_host.local", "xn--bcher-kva.example")),
    ],
)
def test_lists_of_hosts(value: object, hosts: tuple[str, ...]) -> None:
    assert READ["hosts"](value) == hosts


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        ("https://api.openai.com", "write api.openai.com"),
        ("https://api.openai.com:8443/v1/", "write api.openai.com:8443"),
        ("http://user:pass@h/v1", "write h"),
        ("api.openai.com/v1", "write api.openai.com"),
        ("*.openai.com", "write a name such as"),
        ("a:0", "is not a host"),
        ("a:65536", "is not a host"),
        ("a:port", "is not a host"),
        ("a:", "is not a host"),
        ("-", "is not a host"),
        ("bücher.example", "is not a host"),
        (",", "names no host"),
        (5, "must be text, not a number"),
        (["a", None], "must be text, not null"),
        ({"a": 1}, "must be text, not an object"),
    ],
)
def test_invalid_hosts_are_explained(value: object, fix: str) -> None:
    with pytest.raises(ValueError, match=fix.replace("*", r"\*")) as caught:
        READ["hosts"](value)
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (9100, "127.0.0.1:9100"),
        ("0", "127.0.0.1:0"),
        (" 9100\n", "127.0.0.1:9100"),
        ("localhost:9100", "127.0.0.1:9100"),
        ("0.0.0.0:80", "0.0.0.0:80"),
        ("[::1]:9100", "[::1]:9100"),
        ("Worker-1.lan:0080", "worker-1.lan:80"),
    ],
)
def test_spellings_of_a_listen_address(value: object, address: str) -> None:
    assert READ["admin_listen"](value) == address


@pytest.mark.parametrize(
    "value", ["host", "host:", ":", ":9100", "::1", "[::1]", "::1:9100", "a:65536", "65536", -1, 1.5, True,
              "http://h:1", "h:1/", "\u0663", "9" * 5000, []],
)  # fmt: skip
def test_invalid_listen_addresses(value: object) -> None:
    with pytest.raises(ValueError, match=r"must be a port, or host:port|must be text"):
        READ["admin_listen"](value)


@pytest.mark.parametrize("value", ["opencode", " codex_cli_rs\n", "Codex Desktop", "a/1.2 (x; y)"])
def test_originators_are_stripped(value: str) -> None:
    assert READ["originator"](value) == value.strip()


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\tb", "é", "a\x00", 5])
def test_originators_that_do_not_fit_a_header_are_invalid(value: object) -> None:
    with pytest.raises(ValueError, match=r"HTTP header|must be text"):
        READ["originator"](value)


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("https://mirror.example/openai/codex/", "https://mirror.example/openai/codex"),
        ("http://127.0.0.1:9999", "http://127.0.0.1:9999"),
        ("HTTPS://h/x", "HTTPS://h/x"),
    ],
)
def test_catalog_urls(value: str, url: str) -> None:
    assert READ["catalog_url"](value) == url


@pytest.mark.parametrize(
    "value", ["mirror.example", "ftp://h", "file:///etc", "https://", "https://h?x", "https://h#x", "https://u:p@h",
              "https://h:99999", "https://[::1", "https://h/a b", "https://h:0", 5],
)  # fmt: skip
def test_invalid_catalog_urls(value: object) -> None:
    with pytest.raises(ValueError, match=r"http or https URL|must be text"):
        READ["catalog_url"](value)


def test_the_base_url_is_checked_but_not_rewritten() -> None:
    assert READ["base_url"](" https://h/prefix/ ") == "https://h/prefix/"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("h", "the scheme is missing"),
        ("ftp://h", "the scheme is 'ftp'"),
        ("https://u:p@h", "user name or password in the URL"),
        ("https://h?x=1", "no query"),
        ("https://", "the host is missing"),
    ],
)
def test_invalid_base_urls(value: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        READ["base_url"](value)


def test_spellings_of_an_instructions_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.md"
    file.write_text("\ufeffDo as I säy.", encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for spelling in (str(file), " ~/mine.md ", "mine.md"):
        assert READ["instructions_file"](spelling) == file


def test_an_unusable_instructions_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b" \n")
    (tmp_path / "latin").write_bytes(b"\xe9")
    for name, fix in (
        ("missing", "missing cannot be read \\(No such file"),
        ("empty", "empty is empty: write the instructions"),
        ("latin", "latin is not UTF-8 text: save it as UTF-8"),
        (".", "is not a file"),
        ("nul\0", "is not a path"),
    ):
        with pytest.raises(ValueError, match=fix):
            READ["instructions_file"](str(tmp_path / name))
    with pytest.raises(ValueError, match="must be text, not a list"):
        READ["instructions_file"]([])


@pytest.mark.skipif(os.name != "posix", reason="devices are files on POSIX systems only")
def test_a_device_cannot_be_an_instructions_file() -> None:
    with pytest.raises(ValueError, match="is not a file"):
        READ["instructions_file"](os.devnull)
