"""The README holds: both languages say the same, tables are the code's, examples load, links lead somewhere."""

import json
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
from support import readme
from support.readme import BOTH, CHINESE, ENGLISH, ROOT, Readme

from codex_transform import catalog
from codex_transform.cli import main
from codex_transform.endpoint import url as endpoint_url
from codex_transform.opencode import config as opencode_config
from codex_transform.settings import loader
from codex_transform.settings.options import OPTIONS
from codex_transform.usage.cache_miss import KEPT_FOR
from codex_transform.usage.log_line import MARKERS
from codex_transform.usage.store import RETENTION_DAYS

WORDS = {"必填": "needed", "无": "none", "开": "on", "关": "off", "有": "yes"}
"""Cells of the Chinese tables that are words, and what the English ones say."""

each_language = pytest.mark.parametrize("text", BOTH, ids=repr)


# -- the two languages ------------------------------------------------------------------------------------------------


def test_headings_are_equal() -> None:
    assert [section.level for section in ENGLISH.sections()] == [section.level for section in CHINESE.sections()]
    assert len(ENGLISH.sections()) > 20


def test_commands_and_examples_are_equal() -> None:
    for language in ("sh", "json", "powershell", "bat"):
        assert ENGLISH.blocks(language) == CHINESE.blocks(language)
    assert ENGLISH.commands() == CHINESE.commands()


def test_what_is_quoted_is_equal() -> None:
    """Names, values and messages: the same ones stand in the same section."""
    for english, chinese in zip(ENGLISH.sections(), CHINESE.sections(), strict=True):
        assert sorted(readme.quoted(english.text)) == sorted(readme.quoted(chinese.text)), english.heading


def test_tables_are_equal() -> None:
    def shape(text: Readme) -> list[list[list[list[str]]]]:
        return [[[readme.quoted(cell) for cell in row] for row in table[1:]] for table in text.tables()]

    assert shape(ENGLISH) == shape(CHINESE)


def test_what_an_agent_is_told_is_equal() -> None:
    (english,), (chinese,) = ENGLISH.blocks("text"), CHINESE.blocks("text")
    for pattern in (r"^\d\.", "`([^`]+)`", r"~/[\w./-]*\w"):
        assert re.findall(pattern, english, re.MULTILINE) == re.findall(pattern, chinese, re.MULTILINE)


# -- tables -----------------------------------------------------------------------------------------------------------


@each_language
def test_the_settings_table(text: Readme) -> None:
    def default(field: str, value: object) -> str:
        if value is None:
            return "needed" if field in ("base_url", "api_key") else "none"
        if isinstance(value, bool):
            return "on" if value else "off"
        return f"`{', '.join(value) if isinstance(value, tuple) else value}`"

    rows = text.table("`codex_base_url`")
    assert [[*names, WORDS.get(value, value)] for *names, value, _ in rows] == [
        [f"`{knob.option}`", f"`{knob.environ}`", f"`{knob.key}`", default(knob.field, knob.default)]
        for knob in OPTIONS
    ]
    meanings = [row[-1] for row in rows]
    assert all(meanings)
    if text is ENGLISH:
        assert meanings == [knob.help for knob in OPTIONS]


@each_language
def test_the_models_table(text: Readme) -> None:
    def verbosity(model: catalog.Model) -> str:
        return model.default_verbosity or "yes" if model.supports_verbosity else "-"

    expected = [
        [f"`{model.slug}`", " ".join(model.efforts), model.default_effort, verbosity(model)]
        for model in catalog.models()
        if model.slug not in catalog.aliases()
    ]
    rows = text.table(expected[0][0])
    assert [[*cells, WORDS.get(last, last)] for *cells, last in rows] == expected


@each_language
def test_the_aliases_table(text: Readme) -> None:
    expected = [[f"`{name}`", f"`{slug}`"] for name, slug in catalog.aliases().items()]
    assert text.table(expected[0][0]) == expected


def test_the_base_url_table() -> None:
    (table,) = (table[1:] for table in ENGLISH.tables() if table[0][0] == "base URL")
    tried = 0
    for cell, result in table[:-1]:
        results = readme.quoted(result)
        for index, base_url in enumerate(readme.quoted(cell)):
            assert endpoint_url.parse(base_url).url == results[min(index, len(results) - 1)]
            tried += 1
    assert tried >= 6
    assert endpoint_url.parse("https://h/some/responses").url == "https://h/some/responses"


def test_the_table_of_commands() -> None:
    assert isinstance(main, click.Group)
    named = [row[0] for row in ENGLISH.table("`codex-transform login`")]
    assert named == [f"`codex-transform {name}`" for name in main.list_commands(click.Context(main))]


def test_the_table_of_configs_options() -> None:
    """All but the one that is the default."""
    assert isinstance(main, click.Group)
    config = main.get_command(click.Context(main), "config")
    assert config is not None
    known = {option for parameter in config.params for option in parameter.opts if option.startswith("--")}
    named = [readme.quoted(row[0])[0].split()[0] for row in ENGLISH.table("`--models gpt-5.3-codex,gpt-5.2`")]
    assert {*named, "--modern"} == known


def test_the_table_of_mitmproxys_commands() -> None:
    source = (ROOT / "codex_transform" / "proxy" / "addons" / "commands.py").read_text("utf-8")
    named = [readme.quoted(row[0])[0].split()[0] for row in ENGLISH.table("`codex.usage [days]`")]
    assert named == re.findall(r'add_command\("(codex\.[\w.]+)"', source)


def test_the_table_of_causes() -> None:
    source = (ROOT / "codex_transform" / "usage" / "cache_miss.py").read_text("utf-8")
    causes = re.findall(r'(?:cause=|_Change\()\s*"(\w+)"', source)
    assert {row[0] for row in ENGLISH.table("`append`")} == {f"`{cause}`" for cause in causes}
    assert f"{KEPT_FOR / 60:g} minutes" in ENGLISH.prose


def test_the_dependencies_table() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    named = [name for row in ENGLISH.table("`mitmproxy`") for name in readme.quoted(row[0])]
    assert set(named) == {re.split("[<>=;]", requirement)[0] for requirement in needed}


OF_OTHERS = {
    "Cannot connect to API: Unable to connect",
    "unable to verify the first certificate",
    "UnknownError",
    "Unexpected server error",
    'Unrecognized key: "baseURL" provider.openai',
    "codex-transform: command not found",
}
"""Said by OpenCode and by shells."""


def test_messages_are_quoted_as_they_are() -> None:
    """What the table of troubles quotes is said by our code, or was read off other programs."""

    def constant(text: str) -> str:
        """Without what varies: names of settings, numbers, replacement fields."""
        return re.sub(r"codex_base_url|codex_api_key|\{[^{}]*\}|\d+", "…", text)

    code = "".join(path.read_text("utf-8") for path in (ROOT / "codex_transform").rglob("*.py"))
    # Long messages stand in the code in several pieces.
    said = constant(re.sub(r'"\s*\n\s*f?"', "", code))
    rows = ENGLISH.table("`codex-transform: command not found`")
    quotes = [quote for row in rows for quote in readme.quoted(row[0])]
    assert set(quotes) > OF_OTHERS
    assert [quote for quote in quotes if quote not in OF_OTHERS and constant(quote) not in said] == []


def test_markers_and_bounds() -> None:
    (inside,) = (section.text for section in ENGLISH.sections() if section.heading == "Look inside")
    assert {quote for quote in readme.quoted(inside) if not quote.isascii()} == set(MARKERS.values())
    assert f"{RETENTION_DAYS} days" in ENGLISH.prose


# -- examples ---------------------------------------------------------------------------------------------------------


def loaded_by_opencode(text: str, home: Path) -> opencode_config.OpenCodeConfig:
    file = home / ".config" / "opencode" / "opencode.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    config, warnings = opencode_config.load({}, home, home)
    assert not warnings
    return config


def test_the_examples_of_configuration(tmp_path: Path) -> None:
    reverse, own, model = ENGLISH.blocks("json")
    assert loaded_by_opencode(reverse, tmp_path / "1").client_base_url == "http://127.0.0.1:8080/v1"
    (name,) = json.loads(model)["provider"]["openai"]["models"]
    assert catalog.resolve(name).model
    loaded_by_opencode(model, tmp_path / "2")
    file = tmp_path / "openai-codex-auth-config.json"
    file.write_text(own)
    file.chmod(0o600)
    loaded = loader.load({}, {}, file, opencode_config.OpenCodeConfig())
    assert not loaded.problems
    assert {knob.key for knob in OPTIONS if str(file) in loaded.sources[knob.field]} == json.loads(own).keys()


# -- the tree, and links ----------------------------------------------------------------------------------------------


@each_language
def test_the_layout_is_the_trees(text: Readme) -> None:
    block = text.blocks("")[-1]
    folder = ROOT
    paths = []
    for line in block.splitlines():
        if line.startswith("   " * 3):
            continue  # what the line before is about
        if not line.startswith(" "):
            folder = ROOT
        names = re.split(r"  +", line.strip())[0].split(", ")
        paths += [folder / name for name in names]
        if names[0] == "codex_transform/":
            folder = ROOT / "codex_transform"
    assert [path for path in paths if not path.exists()] == []
    package = ROOT / "codex_transform"
    there = {path for path in package.iterdir() if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.*")))}
    left_out = there - set(paths) - {package / "__init__.py", package / "__pycache__"}
    assert left_out == set()


@each_language
def test_links_lead_somewhere(text: Readme) -> None:
    headings = {readme.anchor(section.heading) for section in text.sections()}
    assert text.links()
    for target in text.links():
        if target.startswith("#"):
            assert target[1:] in headings
        elif urlsplit(target).scheme:
            assert urlsplit(target).scheme == "https"
        else:
            assert (ROOT / target).is_file()
