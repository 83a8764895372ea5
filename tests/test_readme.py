"""The pages are correct: both languages agree, tables match the code, examples load, and links have targets."""

import json
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import click
import docs_tables
import pytest
from support import readme
from support.readme import ARCHITECTURE, BOTH, CHINESE, ENGLISH, ROOT, TROUBLESHOOTING, Readme

from codex_transform import catalog
from codex_transform.cli import main
from codex_transform.endpoint import url as endpoint_url
from codex_transform.opencode import config as opencode_config
from codex_transform.settings import loader
from codex_transform.settings.options import OPTIONS
from codex_transform.usage.cache_miss import CACHE_TTL
from codex_transform.usage.log_line import MARKERS
from codex_transform.usage.store import RETENTION_DAYS

# -- the two languages ------------------------------------------------------------------------------------------------


def test_headings_are_equal() -> None:
    assert [section.level for section in ENGLISH.sections()] == [section.level for section in CHINESE.sections()]
    assert len(ENGLISH.sections()) > 20


def test_commands_and_examples_are_equal() -> None:
    for language in ("sh", "json", "powershell", "bat"):
        assert ENGLISH.blocks(language) == CHINESE.blocks(language)
    assert ENGLISH.commands() == CHINESE.commands()


def test_quoted_texts_are_equal() -> None:
    """Each section has the same names, values and messages in both languages."""
    for english, chinese in zip(ENGLISH.sections(), CHINESE.sections(), strict=True):
        assert sorted(readme.quoted(english.text)) == sorted(readme.quoted(chinese.text)), english.heading


def test_tables_are_equal() -> None:
    def shape(text: Readme) -> list[list[list[list[str]]]]:
        return [[[readme.quoted(cell) for cell in row] for row in table[1:]] for table in text.tables()]

    assert shape(ENGLISH) == shape(CHINESE)


def test_instructions_for_agents_are_equal() -> None:
    (english,), (chinese,) = ENGLISH.blocks("text"), CHINESE.blocks("text")
    for pattern in (r"^\d\.", "`([^`]+)`", r"~/[\w./-]*\w"):
        assert re.findall(pattern, english, re.MULTILINE) == re.findall(pattern, chinese, re.MULTILINE)


# -- tables -----------------------------------------------------------------------------------------------------------


def test_the_generated_tables_are_current() -> None:
    pages = docs_tables.pages()
    assert sum(page.read_text("utf-8").count("written by scripts/docs_tables.py") for page in pages) == 6
    assert [page for page in pages if not docs_tables.is_current(page, write=False)] == []


@pytest.mark.parametrize("page", docs_tables.pages(), ids=lambda page: f"{page.parent.name}/{page.name}")
def test_an_outdated_generated_table_is_restored(page: Path, tmp_path: Path) -> None:
    """A missing row and a wrong cell are restored, and text that a person wrote is kept."""
    text = page.read_text("utf-8")
    rows = [line for line in text.splitlines(keepends=True) if line.startswith("| `")]
    stale = text.replace(rows[1], "").replace("| `gpt-5.1` |", "| `gpt-4` |").replace("CODEX_MODE`", "MODE`")
    copy = tmp_path / page.parent.name / page.name
    copy.parent.mkdir()
    copy.write_text(stale, "utf-8")
    assert not docs_tables.is_current(copy, write=True)
    assert docs_tables.is_current(copy, write=False)
    restored = copy.read_text("utf-8")
    assert rows[0] in restored
    assert restored.splitlines()[0] == text.splitlines()[0]
    assert page.parent.name == "zh" or restored == text


def test_the_table_of_base_urls() -> None:
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


def test_the_table_of_the_options_of_config() -> None:
    assert isinstance(main, click.Group)
    config = main.get_command(click.Context(main), "config")
    assert config is not None
    known = {option for parameter in config.params for option in parameter.opts if option.startswith("--")}
    named = [readme.quoted(row[0])[0].split()[0] for row in ENGLISH.table("`--models gpt-5.3-codex,gpt-5.2`")]
    assert {*named} == known


def test_the_table_of_mitmproxys_commands() -> None:
    source = (ROOT / "codex_transform" / "proxy" / "addons" / "commands.py").read_text("utf-8")
    named = [readme.quoted(row[0])[0].split()[0] for row in ENGLISH.table("`codex.usage [days]`")]
    assert named == re.findall(r'add_command\("(codex\.[\w.]+)"', source)


def test_the_table_of_causes() -> None:
    source = (ROOT / "codex_transform" / "usage" / "cache_miss.py").read_text("utf-8")
    causes = re.findall(r'(?:cause=|_Change\()\s*"(\w+)"', source)
    assert {row[0] for row in ENGLISH.table("`append`")} == {f"`{cause}`" for cause in causes}
    assert f"{CACHE_TTL / 60:g} minutes" in ENGLISH.prose


def test_the_table_of_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    named = [name for row in ARCHITECTURE.table("`mitmproxy`") for name in readme.quoted(row[0])]
    assert set(named) == {re.split("[<>=;]", requirement)[0] for requirement in needed}


FOREIGN_MESSAGES = {
    "Cannot connect to API: Unable to connect",
    "unable to verify the first certificate",
    "OpenAI API key is missing",
    "UnknownError",
    "Unexpected server error",
    "ProviderModelNotFoundError",
    "is not valid JSON(C)",
    "Configuration is invalid at",
    'Unrecognized key: "baseURL" provider.openai',
    "codex-transform: command not found",
}
"""Messages of OpenCode and of shells."""


def test_quoted_messages_exist() -> None:
    """Messages quoted in docs/troubleshooting.md are in the code, or those of other programs."""

    def constant(text: str) -> str:
        """The text without what varies: names of settings, numbers, replacement fields."""
        return re.sub(r"codex_base_url|codex_api_key|\{[^{}]*\}|\d+", "…", text)

    code = "".join(path.read_text("utf-8") for path in (ROOT / "codex_transform").rglob("*.py"))
    # Long messages are several string literals in the code.
    messages = constant(re.sub(r'"\s*\n\s*f?"', "", code))
    quotes = [quote for section in TROUBLESHOOTING.sections() for quote in readme.quoted(section.heading)]
    assert set(quotes) > FOREIGN_MESSAGES
    assert [quote for quote in quotes if quote not in FOREIGN_MESSAGES and constant(quote) not in messages] == []


def test_markers_and_the_retention_time() -> None:
    (text,) = (section.text for section in ENGLISH.sections() if section.heading == "Look inside")
    assert {quote for quote in readme.quoted(text) if not quote.isascii()} == set(MARKERS.values())
    assert f"{RETENTION_DAYS} days" in ENGLISH.prose


# -- examples ---------------------------------------------------------------------------------------------------------


def load_as_opencode(text: str, home: Path) -> opencode_config.OpenCodeConfig:
    file = home / ".config" / "opencode" / "opencode.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    config, warnings = opencode_config.load({}, home, home)
    assert not warnings
    return config


def test_example_configurations_load(tmp_path: Path) -> None:
    reverse, several, own, model = ENGLISH.blocks("json")
    assert load_as_opencode(reverse, tmp_path / "1").client_base_url == "http://127.0.0.1:8080/v1"
    (name,) = json.loads(model)["provider"]["openai"]["models"]
    assert catalog.resolve(name).model
    load_as_opencode(model, tmp_path / "2")
    file = tmp_path / "openai-codex-auth-config.json"
    file.write_text(own)
    file.chmod(0o600)
    loaded = loader.load({}, {}, file, opencode_config.OpenCodeConfig())
    assert not loaded.problems
    file.write_text(several)
    assert [each.name for each in loader.load({}, {}, file, opencode_config.OpenCodeConfig()).endpoints] == [
        "main",
        "backup",
    ]
    assert {option.key for option in OPTIONS if str(file) in loaded.sources[option.field]} == json.loads(own).keys()


# -- the tree, and links ----------------------------------------------------------------------------------------------


def test_the_layout_names_every_module() -> None:
    block = ARCHITECTURE.blocks("")[0]
    folder = ROOT
    paths = []
    for line in block.splitlines():
        if line.startswith("   " * 3):
            continue  # it continues the line before
        if not line.startswith(" "):
            folder = ROOT
        names = re.split(r"  +", line.strip())[0].split(", ")
        paths += [folder / name for name in names]
        if names[0] == "codex_transform/":
            folder = ROOT / "codex_transform"
    assert [path for path in paths if not path.exists()] == []
    package = ROOT / "codex_transform"
    existing = {path for path in package.iterdir() if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.*")))}
    missing = existing - set(paths) - {package / "__init__.py", package / "__pycache__"}
    assert missing == set()


@pytest.mark.parametrize("text", readme.ALL, ids=repr)
def test_links_have_targets(text: Readme) -> None:
    for page, target in text.links():
        if urlsplit(target).scheme:
            assert urlsplit(target).scheme == "https"
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.is_file(), f"{page}: {target}"
        if anchor:
            assert anchor in readme.headings(file), f"{page}: {target}"


def test_every_page_is_linked() -> None:
    """From the first page, directly or through another page."""
    for text in BOTH:
        linked = {(page.parent / target.partition("#")[0]).resolve() for page, target in text.links()}
        assert [file for file in text.files[1:] if file not in linked] == []


def test_the_first_page_is_short() -> None:
    for text in BOTH:
        assert len(text.files[0].read_text("utf-8").splitlines()) <= 115


def test_files_named_in_the_architecture_exist() -> None:
    """Files in backticks, in the package, scripts/ or the top folder."""
    named = {quote for quote in readme.quoted(ARCHITECTURE.prose) if re.fullmatch(r"[\w./-]+\.(py|json)", quote)}
    folders = (
        "",
        "scripts",
        *(f"codex_transform/{name}" for name in ("", "request", "response", "proxy", "proxy/addons")),
    )
    tops = [ROOT / folder for folder in folders]
    assert len(named) > 25
    assert [name for name in named if not any((top / name).exists() for top in tops)] == []
