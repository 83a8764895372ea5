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
BASE_URL = next(knob for knob in OPTIONS if knob.field == "base_url")

# Per field: what each source says, in its own spelling, and what that means.
Said = dict[str, tuple[object, object]]


def flag(default: bool) -> Said:
    other = not default
    return {
        "option": (other, other),
        "environ": ("0" if default else "1", other),
        "file": (other, other),
    }


def number(default: int) -> Said:
    return {"option": (default + 1, default + 1), "environ": (f"{default + 2}", default + 2), "file": (1, 1)}


def text(prefix: str) -> Said:
    return {source: (f"{prefix}-{source}", f"{prefix}-{source}") for source in ("option", "environ", "file")}


def said_by(knob: Option, folder: Path) -> Said:
    if isinstance(knob.default, bool):
        return flag(knob.default)
    if isinstance(knob.default, int):
        return number(knob.default)
    if knob.field == "instructions":
        return {"option": ("codex", "codex"), "environ": ("Client", "client"), "file": ("codex", "codex")}
    if knob.field == "state":
        url = "redis://:secret@h:1/2"
        return {"option": ("disk", "disk"), "environ": ("Off", "off"), "file": (url, state_url.parse(url))}
    if knob.field == "limits_fail":
        return {"option": ("closed", "closed"), "environ": ("Closed", "closed"), "file": ("closed", "closed")}
    if knob.field == "log_format":
        return {"option": ("json", "json"), "environ": ("JSON", "json"), "file": ("json", "json")}
    if knob.field == "admin_listen":
        return {
            "option": ("[::1]:0", "[::1]:0"),
            "environ": ("9101", "127.0.0.1:9101"),
            "file": (9102, "127.0.0.1:9102"),
        }
    if knob.field == "hosts":
        return {
            "option": (["o", "P:1"], ("o", "p:1")),
            "environ": ("e1, E2", ("e1", "e2")),
            "file": (["f"], ("f",)),
        }
    if knob.field == "trusted_proxies":
        return {
            "option": (["10.0.0.5", "::1"], ("10.0.0.5/32", "::1/128")),
            "environ": ("10.0.0.0/8, fd00::/8", ("10.0.0.0/8", "fd00::/8")),
            "file": (["127.0.0.1"], ("127.0.0.1/32",)),
        }
    if knob.field == "instructions_file":
        paths = {source: folder / f"{source}.md" for source in ("option", "environ", "file")}
        for path in paths.values():
            path.write_text("x", encoding="utf-8")
        return {source: (str(path), path) for source, path in paths.items()}
    if knob.field == "api_key":
        return {source: (value, Secret(str(value))) for source, (value, _) in text("sk").items()}
    return text("https://h" if knob.field.endswith("_url") else "name")


def write(file: Path, document: object) -> Path:
    file.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    file.chmod(0o600)
    return file


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


def loaded(
    config: Path,
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    opencode: OpenCodeConfig = NO_OPENCODE,
) -> LoadedSettings:
    return load(options or {}, environ or {}, config, opencode)


def test_with_nothing_said_the_defaults_hold(config: Path) -> None:
    result = loaded(config)
    assert result.settings == Settings()
    assert result.sources == dict.fromkeys((option.field for option in OPTIONS), "default")
    assert result.problems == ()


@pytest.mark.parametrize("knob", OPTIONS, ids=lambda knob: knob.field)
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
def test_precedence(knob: Option, present: tuple[str, ...], winner: str, config: Path, tmp_path: Path) -> None:
    said = said_by(knob, tmp_path)
    if len(present) > 1 and isinstance(knob.default, bool):
        # Only the winner says other than the default, so that a wrong winner shows.
        said |= {source: (str(knob.default), knob.default) for source in present if source != winner}
    options = {knob.option: said["option"][0]} if "option" in present else {}
    environ = {knob.environ: str(said["environ"][0])} if "environ" in present else {}
    if "file" in present:
        write(config, {knob.key: said["file"][0]})
    result = loaded(config, options, environ)
    assert result.problems == ()
    expected: dict[str, Any] = {knob.field: said[winner][1]}
    assert result.settings == Settings(**expected)
    label = {"option": knob.option, "environ": knob.environ, "file": f"{knob.key} in {config}"}[winner]
    assert result.sources == dict.fromkeys((option.field for option in OPTIONS), "default") | {knob.field: label}


@pytest.mark.parametrize("above", ["", "file", "environ", "option"])
def test_opencode_gives_the_base_url_when_nothing_else_does(above: str, config: Path) -> None:
    opencode = OpenCodeConfig({"baseURL": "https://opencode"}, "/x/opencode.json")
    if above == "file":
        write(config, {"baseURL": "https://file"})
    result = loaded(
        config,
        {"codex_base_url": "https://option"} if above == "option" else {},
        {"CODEX_BASE_URL": "https://environ"} if above == "environ" else {},
        opencode,
    )
    assert result.settings.base_url == f"https://{above or 'opencode'}"
    if not above:
        assert result.sources["base_url"] == "provider.openai.baseURL in /x/opencode.json"


def test_where_opencode_sends_its_own_requests_is_no_endpoint(config: Path) -> None:
    opencode = OpenCodeConfig({"options": {"baseURL": "http://127.0.0.1:8080/v1"}}, "/x/opencode.json")
    assert loaded(config, opencode=opencode).settings.base_url is None


@pytest.mark.parametrize("knob", OPTIONS, ids=lambda knob: knob.field)
@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_what_is_empty_is_not_set(knob: Option, empty: str, config: Path, tmp_path: Path) -> None:
    value, meaning = said_by(knob, tmp_path)["file"]
    write(config, {knob.key: value})
    result = loaded(config, {knob.option: empty}, {knob.environ: empty})
    assert getattr(result.settings, knob.field) == meaning
    nothing: object
    for nothing in (empty, None, []):
        write(config, {knob.key: nothing})
        assert loaded(config) == loaded(tmp_path / "missing")


WRONG: dict[str, object] = {
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
IF_WRONG = {"limits_fail": "closed"}
"""What counts in the place of a wrong value, where that is not the default: then nobody may do more than before."""


@pytest.mark.parametrize("knob", OPTIONS, ids=lambda knob: knob.field)
@pytest.mark.parametrize("at", ["option", "environ", "file"])
def test_a_wrong_value_is_a_problem_and_no_lower_source_stands_in(
    knob: Option, at: str, config: Path, tmp_path: Path
) -> None:
    said = {source: value for source, (value, _) in said_by(knob, tmp_path).items()}
    said[at] = WRONG[knob.field]
    write(config, {knob.key: said["file"]})
    options = {knob.option: said["option"]} if at == "option" else {}
    environ = {knob.environ: str(said["environ"])} if at != "file" else {}
    opencode = OpenCodeConfig({"baseURL": "https://opencode"}, "/x/opencode.json")
    result = loaded(config, options, environ, opencode)
    assert getattr(result.settings, knob.field) == IF_WRONG.get(knob.field, knob.default)
    label = {"option": knob.option, "environ": knob.environ, "file": f"{knob.key} in {config}"}[at]
    (problem,) = [problem for problem in result.problems if problem.setting == knob.field]
    assert (problem.setting, problem.source) == (knob.field, label)
    assert problem.message.startswith(f"{label}: ")
    assert result.sources[knob.field] == "default"


@pytest.mark.parametrize("knob", OPTIONS, ids=lambda knob: knob.field)
def test_a_wrong_type_in_the_file_is_a_problem_and_the_rest_holds(knob: Option, config: Path) -> None:
    other = "debug" if knob.field != "debug" else "logRequests"
    wrong: object
    for wrong in (-5, {"a": 1}, [[]], 1.5):
        write(config, {knob.key: wrong, other: True})
        result = loaded(config)
        assert getattr(result.settings, knob.field) == IF_WRONG.get(knob.field, knob.default)
        assert [problem.setting for problem in result.problems] == [knob.field]
        assert str(config) in result.problems[0].message
        assert getattr(result.settings, "debug" if other == "debug" else "log_requests") is True


def test_a_wrong_base_url_in_opencode_is_a_problem_that_names_the_file(config: Path) -> None:
    result = loaded(config, opencode=OpenCodeConfig({"baseURL": "ftp://h"}, "/x/opencode.json"))
    assert result.settings.base_url is None
    assert result.problems[0].message.startswith("provider.openai.baseURL in /x/opencode.json: ")


def test_no_key_shows_anywhere(config: Path) -> None:
    write(config, {"apiKey": "sk-file-secret"})
    for options, environ in (
        ({}, {}),
        ({}, {"CODEX_API_KEY": "sk-environ-secret"}),
        ({"codex_api_key": "sk-option-secret"}, {}),
        ({}, {"CODEX_API_KEY": "Bearer sk-bad-secret"}),
        ({"codex_api_key": "sk-bad\nsecret"}, {}),
    ):
        result = loaded(config, options, environ)
        assert "secret" not in repr(result) + str(result) + str(result.settings) + str(result.problems)
    for damaged in ('{"apiKey": "sk-secret"', '{"apiKey": sk-secret}', '{"apiKey": ["sk-secret"]}', '["sk-secret"]'):
        write(config, damaged)
        result = loaded(config)
        assert len(result.problems) == 1
        assert "secret" not in repr(result)


def test_the_old_environment_names(config: Path) -> None:
    settings = loaded(config, environ={"ENABLE_PLUGIN_REQUEST_LOGGING": "1", "DEBUG_CODEX_PLUGIN": "1"}).settings
    assert (settings.log_requests, settings.debug) == (True, True)


def test_keys_of_other_programs_in_the_file_are_nobodys_business(config: Path) -> None:
    write(config, {"codexMode": False, "fallbackToGpt52OnUnsupportedGpt53": True, "x": {"y": [1]}, "base_url": "h"})
    result = loaded(config)
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
def test_a_damaged_file_is_a_problem_and_the_rest_holds(content: bytes, place: str, config: Path) -> None:
    config.write_bytes(content)
    config.chmod(0o600)
    result = loaded(config, environ={"CODEX_API_KEY": "sk-1", "CODEX_MODE": "0"})
    assert result.settings == Settings(api_key=Secret("sk-1"), mode=False)
    (problem,) = result.problems
    assert (problem.setting, problem.source) == (None, str(config))
    assert str(config) in problem.message
    assert place in problem.message
    assert not problem.warning


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_damaged_file_lifts_no_restriction_that_it_names(encoding: str, config: Path) -> None:
    """Whoever comes through a trusted proxy on this machine would count as somebody on it."""
    config.write_bytes('{"trustedProxies": ["127.0.0.1"], "limitsFail": "closed", "hosts": }'.encode(encoding))
    config.chmod(0o600)
    result = loaded(config)
    assert [problem.setting for problem in result.problems] == [None, "trusted_proxies", "limits_fail"]
    assert result.settings.limits_fail == "closed"
    near = loaded(config, environ={"CODEX_TRUSTED_PROXIES": "10.0.0.1/32", "CODEX_LIMITS_FAIL": "open"})
    assert [problem.setting for problem in near.problems] == [None]
    assert (near.settings.trusted_proxies, near.settings.limits_fail) == (("10.0.0.1/32",), "open")


def test_while_the_file_is_damaged_opencode_does_not_choose_the_endpoint(config: Path) -> None:
    write(config, '{"baseURL": "https://mine"')
    opencode = OpenCodeConfig({"baseURL": "https://other"}, "/x/opencode.json")
    result = loaded(config, environ={"CODEX_API_KEY": "sk-1"}, opencode=opencode)
    assert result.settings.base_url is None
    assert "provider.openai.baseURL in /x/opencode.json: not used while" in result.problems[1].message
    assert loaded(config, environ={"CODEX_BASE_URL": "https://h"}, opencode=opencode).settings.base_url == "https://h"


def test_a_folder_in_the_place_of_the_file_is_a_problem(config: Path) -> None:
    config.mkdir()
    (problem,) = loaded(config).problems
    assert f"{config} cannot be read" in problem.message


@pytest.mark.parametrize("content", ["", " \n", "\ufeff{}"])
def test_an_empty_file_says_nothing(content: str, config: Path) -> None:
    write(config, content)
    assert loaded(config) == loaded(config.parent / "missing")


@posix_only
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602])
def test_a_file_that_others_can_read_is_used_with_a_warning(mode: int, tmp_path: Path) -> None:
    config = write(tmp_path / "my config.json", {"baseURL": "https://h"})
    config.chmod(mode)
    result = loaded(config)
    assert result.settings.base_url == "https://h"
    (problem,) = result.problems
    assert problem.message.endswith(f"run `chmod 600 '{config}'`")
    assert problem.warning


# ── save ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("knob", OPTIONS, ids=lambda knob: knob.field)
@pytest.mark.parametrize("source", ["option", "environ", "file"])
def test_what_is_saved_is_loaded(knob: Option, source: str, config: Path, tmp_path: Path) -> None:
    value, meaning = said_by(knob, tmp_path)[source]
    save(config, {knob.field: value})
    result = loaded(config)
    assert getattr(result.settings, knob.field) == meaning
    assert result.problems == ()
    assert list(json.loads(config.read_text(encoding="utf-8"))) == [knob.key]


def test_the_file_has_the_old_plugins_shape(config: Path) -> None:
    save(config, {"base_url": "https://h", "api_key": Secret("sk-1"), "mode": False, "hosts": "a, b:1"})
    assert config.read_text(encoding="utf-8") == (
        '{\n  "baseURL": "https://h",\n  "apiKey": "sk-1",\n  "codexMode": false,\n'
        '  "hosts": [\n    "a",\n    "b:1"\n  ]\n}\n'
    )


@posix_only
def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    config = tmp_path / ".opencode" / "config.json"
    save(config, {"api_key": "sk-1"})
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert stat.S_IMODE(config.parent.stat().st_mode) == 0o700
    assert [path.name for path in config.parent.iterdir()] == ["config.json"]


def test_none_takes_a_key_out(config: Path) -> None:
    write(config, {"x": 1, "apiKey": "sk-1", "codexMode": True})
    save(config, {"api_key": None, "mode": ""})
    assert json.loads(config.read_text(encoding="utf-8")) == {"x": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OURS = {knob.key for knob in OPTIONS}


@given(st.dictionaries(st.text().filter(lambda key: key not in OURS), JSON, max_size=5), st.integers(0, 5))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_other_keys_stay_in_their_order(config: Path, others: dict[str, Any], place: int) -> None:
    before = list(others.items())
    before.insert(place, ("baseURL", "https://old"))
    write(config, dict(before))
    save(config, {"base_url": "https://new", "debug": True})
    after = list(json.loads(config.read_text(encoding="utf-8")).items())
    changed = [(key, "https://new" if key == "baseURL" else value) for key, value in before]
    assert after == [*changed, ("debug", True)]


def test_an_escape_that_has_no_utf8_form_survives(config: Path) -> None:
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


@pytest.mark.parametrize("knob", OPTIONS, ids=lambda knob: knob.field)
def test_a_wrong_value_is_not_saved(knob: Option, config: Path) -> None:
    write(config, {"x": 1})
    with pytest.raises(ValueError, match=f"^{knob.key}: "):
        save(config, {"mode": True, knob.field: WRONG[knob.field]})
    assert json.loads(config.read_text(encoding="utf-8")) == {"x": 1}


def test_an_unknown_setting_is_not_saved(config: Path) -> None:
    with pytest.raises(ValueError, match="there is no setting 'baseURL'"):
        save(config, {"baseURL": "https://h"})
    assert not config.exists()
