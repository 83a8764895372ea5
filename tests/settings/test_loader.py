import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from codex_transform.opencode.config import OpenCodeConfig
from codex_transform.redaction import Secret
from codex_transform.settings import state_url
from codex_transform.settings.loader import LoadedSettings, load, save
from codex_transform.settings.options import OPTIONS, Option, Settings

posix_only = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
NO_OPENCODE = OpenCodeConfig()
BASE_URL = next(option for option in OPTIONS if option.field == "base_url")

# For one option: the value that each source gives, in that source's notation, and its meaning.
Examples = dict[str, tuple[object, object]]


def flag(default: bool) -> Examples:
    other = not default
    return {
        "option": (other, other),
        "environ": ("0" if default else "1", other),
        "file": (other, other),
    }


def number(default: int) -> Examples:
    return {"option": (default + 1, default + 1), "environ": (f"{default + 2}", default + 2), "file": (1, 1)}


def text(prefix: str) -> Examples:
    return {source: (f"{prefix}-{source}", f"{prefix}-{source}") for source in ("option", "environ", "file")}


def examples_of(option: Option, folder: Path) -> Examples:
    if isinstance(option.default, bool):
        return flag(option.default)
    if isinstance(option.default, int):
        return number(option.default)
    if option.field == "instructions":
        return {"option": ("codex", "codex"), "environ": ("Client", "client"), "file": ("codex", "codex")}
    if option.field == "state":
        url = "redis://:secret@h:1/2"
        return {"option": ("disk", "disk"), "environ": ("Off", "off"), "file": (url, state_url.parse(url))}
    if option.field == "limits_fail":
        return {"option": ("closed", "closed"), "environ": ("Closed", "closed"), "file": ("closed", "closed")}
    if option.field == "log_format":
        return {"option": ("json", "json"), "environ": ("JSON", "json"), "file": ("json", "json")}
    if option.field == "admin_listen":
        return {
            "option": ("[::1]:0", "[::1]:0"),
            "environ": ("9101", "127.0.0.1:9101"),
            "file": (9102, "127.0.0.1:9102"),
        }
    if option.field == "hosts":
        return {
            "option": (["o", "P:1"], ("o", "p:1")),
            "environ": ("e1, E2", ("e1", "e2")),
            "file": (["f"], ("f",)),
        }
    if option.field == "trusted_proxies":
        return {
            "option": (["10.0.0.5", "::1"], ("10.0.0.5/32", "::1/128")),
            "environ": ("10.0.0.0/8, fd00::/8", ("10.0.0.0/8", "fd00::/8")),
            "file": (["127.0.0.1"], ("127.0.0.1/32",)),
        }
    if option.field == "instructions_file":
        paths = {source: folder / f"{source}.md" for source in ("option", "environ", "file")}
        for path in paths.values():
            path.write_text("x", encoding="utf-8")
        return {source: (str(path), path) for source, path in paths.items()}
    if option.field == "api_key":
        return {source: (value, Secret(str(value))) for source, (value, _) in text("sk").items()}
    return text("https://h" if option.field.endswith("_url") else "name")


def write(file: Path, document: object) -> Path:
    file.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    file.chmod(0o600)
    return file


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


def load_from(
    config: Path,
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    opencode: OpenCodeConfig = NO_OPENCODE,
) -> LoadedSettings:
    return load(options or {}, environ or {}, config, opencode)


def test_without_any_source_the_defaults_apply(config: Path) -> None:
    result = load_from(config)
    assert result.settings == Settings()
    assert result.sources == dict.fromkeys((option.field for option in OPTIONS), "default")
    assert result.problems == ()


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.field)
@pytest.mark.parametrize(
    ("present", "winner"),
    [
        (("option", "environ", "file"), "option"),
        (("option", "file"), "option"),
        (("environ", "file"), "environ"),
        (("option",), "option"),
        (("environ",), "environ"),
        (("file",), "file"),
    ],
)
def test_the_source_of_the_highest_precedence_wins(
    option: Option, present: tuple[str, ...], winner: str, config: Path, tmp_path: Path
) -> None:
    examples = examples_of(option, tmp_path)
    if len(present) > 1 and isinstance(option.default, bool):
        # Only the winner differs from the default, so that a wrong winner shows.
        examples |= {source: (str(option.default), option.default) for source in present if source != winner}
    options = {option.option: examples["option"][0]} if "option" in present else {}
    environ = {option.environ: str(examples["environ"][0])} if "environ" in present else {}
    if "file" in present:
        write(config, {option.key: examples["file"][0]})
    result = load_from(config, options, environ)
    assert result.problems == ()
    expected: dict[str, Any] = {option.field: examples[winner][1]}
    assert result.settings == Settings(**expected)
    label = {"option": option.option, "environ": option.environ, "file": f"{option.key} in {config}"}[winner]
    assert result.sources == dict.fromkeys((each.field for each in OPTIONS), "default") | {option.field: label}


@pytest.mark.parametrize("above", ["", "file", "environ", "option"])
def test_opencodes_base_url_is_used_if_no_other_is_set(above: str, config: Path) -> None:
    opencode = OpenCodeConfig({"baseURL": "https://opencode"}, "/x/opencode.json")
    if above == "file":
        write(config, {"baseURL": "https://file"})
    result = load_from(
        config,
        {"codex_base_url": "https://option"} if above == "option" else {},
        {"CODEX_BASE_URL": "https://environ"} if above == "environ" else {},
        opencode,
    )
    assert result.settings.base_url == f"https://{above or 'opencode'}"
    if not above:
        assert result.sources["base_url"] == "provider.openai.baseURL in /x/opencode.json"


def test_a_base_url_in_opencodes_options_is_not_used(config: Path) -> None:
    opencode = OpenCodeConfig({"options": {"baseURL": "http://127.0.0.1:8080/v1"}}, "/x/opencode.json")
    assert load_from(config, opencode=opencode).settings.base_url is None


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.field)
@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_an_empty_value_counts_as_unset(option: Option, empty: str, config: Path, tmp_path: Path) -> None:
    value, parsed = examples_of(option, tmp_path)["file"]
    write(config, {option.key: value})
    result = load_from(config, {option.option: empty}, {option.environ: empty})
    assert getattr(result.settings, option.field) == parsed
    nothing: object
    for nothing in (empty, None, []):
        write(config, {option.key: nothing})
        assert load_from(config) == load_from(tmp_path / "missing")


INVALID: dict[str, object] = {
    "base_url": "ftp://h",
    "api_key": "two words",
    "mode": "maybe",
    "hosts": "https://h/v1",
    "forward_client_key": "maybe",
    "originator": "a\nb",
    "instructions": "mine",
    "state": "cloud",
    "limits_fail": "ajar",
    "instructions_file": "/nowhere/at/all",
    "catalog_url": "ftp://h",
    "allow_remote": "maybe",
    "clients": "maybe",
    "trusted_proxies": "10.0.0.1/8",
    "log_requests": "2",
    "connect_timeout": "soon",
    "idle_timeout": "0",
    "keep_mb": "-1",
    "drain_timeout": "-1",
    "heal": "maybe",
    "retries": "4",
    "admin_listen": "host",
    "log_format": "xml",
    "debug": "maybe",
}
IF_INVALID = {"limits_fail": "closed"}
"""What applies in place of an invalid value where that is not the default: a restriction must not be lifted."""


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.field)
@pytest.mark.parametrize("at", ["option", "environ", "file"])
def test_an_invalid_value_is_a_problem_and_no_lower_source_replaces_it(
    option: Option, at: str, config: Path, tmp_path: Path
) -> None:
    examples = {source: value for source, (value, _) in examples_of(option, tmp_path).items()}
    examples[at] = INVALID[option.field]
    write(config, {option.key: examples["file"]})
    options = {option.option: examples["option"]} if at == "option" else {}
    environ = {option.environ: str(examples["environ"])} if at != "file" else {}
    opencode = OpenCodeConfig({"baseURL": "https://opencode"}, "/x/opencode.json")
    result = load_from(config, options, environ, opencode)
    assert getattr(result.settings, option.field) == IF_INVALID.get(option.field, option.default)
    label = {"option": option.option, "environ": option.environ, "file": f"{option.key} in {config}"}[at]
    (problem,) = [problem for problem in result.problems if problem.setting == option.field]
    assert (problem.setting, problem.source) == (option.field, label)
    assert problem.message.startswith(f"{label}: ")
    assert result.sources[option.field] == "default"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.field)
def test_a_wrong_type_in_the_file_is_a_problem_and_other_values_apply(option: Option, config: Path) -> None:
    other = "debug" if option.field != "debug" else "logRequests"
    wrong: object
    for wrong in (-5, {"a": 1}, [[]], 1.5):
        write(config, {option.key: wrong, other: True})
        result = load_from(config)
        assert getattr(result.settings, option.field) == IF_INVALID.get(option.field, option.default)
        assert [problem.setting for problem in result.problems] == [option.field]
        assert str(config) in result.problems[0].message
        assert getattr(result.settings, "debug" if other == "debug" else "log_requests") is True


def test_an_invalid_base_url_of_opencode_is_a_problem_that_names_the_file(config: Path) -> None:
    result = load_from(config, opencode=OpenCodeConfig({"baseURL": "ftp://h"}, "/x/opencode.json"))
    assert result.settings.base_url is None
    assert result.problems[0].message.startswith("provider.openai.baseURL in /x/opencode.json: ")


def test_no_key_is_shown(config: Path) -> None:
    write(config, {"apiKey": "sk-file-secret"})
    for options, environ in (
        ({}, {}),
        ({}, {"CODEX_API_KEY": "sk-environ-secret"}),
        ({"codex_api_key": "sk-option-secret"}, {}),
        ({}, {"CODEX_API_KEY": "Bearer sk-bad-secret"}),
        ({"codex_api_key": "sk-bad\nsecret"}, {}),
    ):
        result = load_from(config, options, environ)
        assert "secret" not in repr(result) + str(result) + str(result.settings) + str(result.problems)
    for damaged in ('{"apiKey": "sk-secret"', '{"apiKey": sk-secret}', '{"apiKey": ["sk-secret"]}', '["sk-secret"]'):
        write(config, damaged)
        result = load_from(config)
        assert len(result.problems) == 1
        assert "secret" not in repr(result)


def test_the_old_plugins_environment_variables_apply(config: Path) -> None:
    settings = load_from(config, environ={"ENABLE_PLUGIN_REQUEST_LOGGING": "1", "DEBUG_CODEX_PLUGIN": "1"}).settings
    assert (settings.log_requests, settings.debug) == (True, True)


def test_other_programs_members_of_the_file_are_ignored(config: Path) -> None:
    write(config, {"codexMode": False, "fallbackToGpt52OnUnsupportedGpt53": True, "x": {"y": [1]}, "base_url": "h"})
    result = load_from(config)
    assert result.problems == ()
    assert result.settings == Settings(mode=False)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"baseURL": "https://file",\n "codexMode" false}', "line 2, column 14: expecting ':' delimiter"),
        (b'{\n  // my endpoint\n  "baseURL": "https://file"\n}', "line 2, column 3: JSON has no comments"),
        (b'{"baseURL": "https://file",\n}', "line 1, column 27: a comma after the last item"),
        (b'["https://file"]', "must hold an object in braces, not a list"),
        (b'{"apiKey": "\xe9"}', "is not UTF-8 text: save it as UTF-8"),
        ('{"baseURL": "https://file"}'.encode("utf-16"), "is not UTF-8 text"),
    ],
)
def test_a_damaged_file_is_a_problem_and_other_sources_apply(content: bytes, place: str, config: Path) -> None:
    config.write_bytes(content)
    config.chmod(0o600)
    result = load_from(config, environ={"CODEX_API_KEY": "sk-1", "CODEX_MODE": "0"})
    assert result.settings == Settings(api_key=Secret("sk-1"), mode=False)
    (problem,) = result.problems
    assert (problem.setting, problem.source) == (None, str(config))
    assert str(config) in problem.message
    assert place in problem.message
    assert not problem.warning


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_damaged_file_lifts_no_restriction_that_it_mentions(encoding: str, config: Path) -> None:
    """Otherwise every client of a trusted proxy on this machine would count as local."""
    config.write_bytes('{"trustedProxies": ["127.0.0.1"], "limitsFail": "closed", "hosts": }'.encode(encoding))
    config.chmod(0o600)
    result = load_from(config)
    assert [problem.setting for problem in result.problems] == [None, "trusted_proxies", "limits_fail"]
    assert result.settings.limits_fail == "closed"
    overridden = load_from(config, environ={"CODEX_TRUSTED_PROXIES": "10.0.0.1/32", "CODEX_LIMITS_FAIL": "open"})
    assert [problem.setting for problem in overridden.problems] == [None]
    assert (overridden.settings.trusted_proxies, overridden.settings.limits_fail) == (("10.0.0.1/32",), "open")


def test_opencode_does_not_choose_the_endpoint_while_the_file_is_damaged(config: Path) -> None:
    write(config, '{"baseURL": "https://mine"')
    opencode = OpenCodeConfig({"baseURL": "https://other"}, "/x/opencode.json")
    result = load_from(config, environ={"CODEX_API_KEY": "sk-1"}, opencode=opencode)
    assert result.settings.base_url is None
    assert "provider.openai.baseURL in /x/opencode.json: not used while" in result.problems[1].message
    assert (
        load_from(config, environ={"CODEX_BASE_URL": "https://h"}, opencode=opencode).settings.base_url == "https://h"
    )


def test_a_folder_in_place_of_the_file_is_a_problem(config: Path) -> None:
    config.mkdir()
    (problem,) = load_from(config).problems
    assert f"{config} cannot be read" in problem.message


@pytest.mark.parametrize("content", ["", " \n", "\ufeff{}"])
def test_an_empty_file_counts_as_missing(content: str, config: Path) -> None:
    write(config, content)
    assert load_from(config) == load_from(config.parent / "missing")


@posix_only
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602])
def test_a_file_that_others_can_read_is_used_with_a_warning(mode: int, tmp_path: Path) -> None:
    config = write(tmp_path / "my config.json", {"baseURL": "https://h"})
    config.chmod(mode)
    result = load_from(config)
    assert result.settings.base_url == "https://h"
    (problem,) = result.problems
    assert problem.message.endswith(f"run `chmod 600 '{config}'`")
    assert problem.warning


# ── save ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.field)
@pytest.mark.parametrize("source", ["option", "environ", "file"])
def test_a_saved_value_is_loaded(option: Option, source: str, config: Path, tmp_path: Path) -> None:
    value, parsed = examples_of(option, tmp_path)[source]
    save(config, {option.field: value})
    result = load_from(config)
    assert getattr(result.settings, option.field) == parsed
    assert result.problems == ()
    assert list(json.loads(config.read_text(encoding="utf-8"))) == [option.key]


def test_the_file_has_the_old_plugins_format(config: Path) -> None:
    save(config, {"base_url": "https://h", "api_key": Secret("sk-1"), "mode": False, "hosts": "a, b:1"})
    assert config.read_text(encoding="utf-8") == (
        '{\n  "baseURL": "https://h",\n  "apiKey": "sk-1",\n  "codexMode": false,\n'
        '  "hosts": [\n    "a",\n    "b:1"\n  ]\n}\n'
    )


@posix_only
def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    config = tmp_path / ".opencode" / "config.json"
    save(config, {"api_key": "sk-1"})
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert stat.S_IMODE(config.parent.stat().st_mode) == 0o700
    assert [path.name for path in config.parent.iterdir()] == ["config.json"]


def test_saving_none_or_nothing_removes_a_member(config: Path) -> None:
    write(config, {"x": 1, "apiKey": "sk-1", "codexMode": True})
    save(config, {"api_key": None, "mode": ""})
    assert json.loads(config.read_text(encoding="utf-8")) == {"x": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OURS = {option.key for option in OPTIONS}


@given(st.dictionaries(st.text().filter(lambda key: key not in OURS), JSON, max_size=5), st.integers(0, 5))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_other_members_keep_their_order(config: Path, others: dict[str, Any], place: int) -> None:
    before = list(others.items())
    before.insert(place, ("baseURL", "https://old"))
    write(config, dict(before))
    save(config, {"base_url": "https://new", "debug": True})
    after = list(json.loads(config.read_text(encoding="utf-8")).items())
    changed = [(key, "https://new" if key == "baseURL" else value) for key, value in before]
    assert after == [*changed, ("debug", True)]


def test_an_escaped_lone_surrogate_survives(config: Path) -> None:
    write(config, '{"x": "\\ud800", "y": "\\u00e9"}')
    save(config, {"mode": True})
    assert config.read_bytes() == '{\n  "x": "\\ud800",\n  "y": "é",\n  "codexMode": true\n}\n'.encode()


@pytest.mark.parametrize("content", ['{"apiKey": "sk-secret"', "[1]", '{"a": 1} // mine', '{"a": NaN}'])
def test_a_damaged_file_is_never_overwritten(content: str, config: Path) -> None:
    write(config, content)
    with pytest.raises(ValueError, match="nothing was saved: ") as caught:
        save(config, {"mode": True})
    assert str(config) in str(caught.value)
    assert "secret" not in str(caught.value)
    assert config.read_text(encoding="utf-8") == content
    assert [path.name for path in config.parent.iterdir()] == [config.name]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.field)
def test_an_invalid_value_is_not_saved(option: Option, config: Path) -> None:
    write(config, {"x": 1})
    with pytest.raises(ValueError, match=f"^{option.key}: "):
        save(config, {"mode": True, option.field: INVALID[option.field]})
    assert json.loads(config.read_text(encoding="utf-8")) == {"x": 1}


def test_an_unknown_setting_is_not_saved(config: Path) -> None:
    with pytest.raises(ValueError, match="there is no setting 'baseURL'"):
        save(config, {"baseURL": "https://h"})
    assert not config.exists()
