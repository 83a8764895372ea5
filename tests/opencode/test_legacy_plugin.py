import json
import sys
from pathlib import Path
from typing import Any

import pytest

from codex_transform.jsonc import parser
from codex_transform.jsonc.editor import Document
from codex_transform.opencode import legacy_plugin
from codex_transform.opencode.legacy_plugin import Found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    return folder


def put(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def find(project: Path, home: Path, **environ: str) -> list[Found]:
    return legacy_plugin.find({"OPENCODE_TEST_MANAGED_CONFIG_DIR": str(home / "managed"), **environ}, project, home)


ENTRIES = [
    "opencode-openai-codex-key",
    "opencode-openai-codex-key@4.4.0",
    "opencode-openai-codex-auth@latest",
    "opencode-openai-codex-auth-multi",
    "opencode-codex-auth",
    "@iam-brain/opencode-codex-auth@latest",
    "oc-chatgpt-multi-auth",
    "oc-codex-multi-auth@6.0.0",
    "opencode-multi-auth-codex",
    "@openhax/codex",
    "@openhax/codex@0.2.0",
    "github:NAXG/opencode-openai-codex-key",
    "git+https://github.com/NAXG/opencode-openai-codex-key.git#main",
    "git@github.com:numman-ali/opencode-openai-codex-auth.git",
    "npm:opencode-openai-codex-auth@4",
    "file:///home/me/src/opencode-openai-codex-key/dist/index.js",
    "./opencode-openai-codex-key",
    "/opt/opencode-openai-codex-key/index.ts",
    "file:///C:/src/opencode-openai-codex-key",
    "C:\\src\\opencode-openai-codex-key\\index.js",
    "https://registry.example/opencode-openai-codex-key-4.4.0.tgz",
]
OTHERS = [
    "opencode-copilot-auth",
    "opencode-codex-authority",
    "@openhax/codex-tools",
    "my-opencode-codex-auth",
    "oh-my-opencode",
    "opencode-openai",
    "file:///home/me/codex/plugin.ts",
    "",
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_spelling_of_an_entry_is_found(entry: str, project: Path, home: Path) -> None:
    file = put(home / ".config" / "opencode" / "opencode.json", {"plugin": ["other", entry]})
    assert find(project, home) == [Found(file, entry)]


@pytest.mark.parametrize("entry", OTHERS)
def test_other_plugins_are_not_found(entry: str, project: Path, home: Path) -> None:
    put(home / ".config" / "opencode" / "opencode.json", {"plugin": [entry]})
    assert find(project, home) == []


@pytest.mark.parametrize("value", [None, "opencode-openai-codex-key", [None, 1, [], [1]], {"a": 1}])
def test_plugin_lists_of_a_wrong_type_are_ignored(value: Any, project: Path, home: Path) -> None:
    put(home / ".config" / "opencode" / "opencode.json", {"plugin": value})
    assert find(project, home) == []


def test_an_entry_with_options_is_found(project: Path, home: Path) -> None:
    file = put(home / ".config" / "opencode" / "opencode.json", {"plugin": [["opencode-openai-codex-key", {"a": 1}]]})
    assert find(project, home) == [Found(file, "opencode-openai-codex-key")]


def test_every_file_that_opencode_reads_is_searched(project: Path, home: Path, tmp_path: Path) -> None:
    names = {
        home / ".config" / "opencode" / "opencode.jsonc": "opencode-openai-codex-key@1",
        tmp_path / "custom.json": "opencode-openai-codex-key@2",
        project / "opencode.json": "opencode-openai-codex-key@3",
        project / ".opencode" / "opencode.json": "opencode-openai-codex-key@4",
        home / ".opencode" / "opencode.json": "opencode-openai-codex-key@5",
        home / "managed" / "opencode.json": "opencode-openai-codex-key@6",
    }
    for path, entry in names.items():
        put(path, f'{{ // mine\n "plugin": ["{entry}",], }}')
    found = find(project, home, OPENCODE_CONFIG=str(tmp_path / "custom.json"))
    assert {each.file: each.entry for each in found} == names


def test_damaged_and_unreadable_files_are_ignored(project: Path, home: Path) -> None:
    put(home / ".config" / "opencode" / "opencode.json", '{"plugin": ["opencode-openai-codex-key"')
    (project / "opencode.json").mkdir()
    assert find(project, home) == []


@pytest.mark.parametrize("folder", ["plugin", "plugins"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("opencode-openai-codex-key.ts", ""),
        ("codex.js", 'export { default } from "opencode-openai-codex-key"'),
        ("codex.ts", "import x from '/home/me/src/opencode-openai-codex-auth/dist/index.js'"),
        ("bundle.js", 'const settings = join(homedir(), ".opencode", "openai-codex-auth-config.json")'),
    ],
)
def test_modules_in_plugin_folders_are_found(name: str, text: str, folder: str, project: Path, home: Path) -> None:
    files = [
        put(home / ".config" / "opencode" / folder / name, text),
        put(project / ".opencode" / folder / name, text),
        put(home / ".opencode" / folder / name, text),
        put(home / "extra" / folder / name, text),
    ]
    found = find(project, home, OPENCODE_CONFIG_DIR=str(home / "extra"))
    assert {each.file for each in found} == set(files)
    assert {each.entry for each in found} == {""}


def test_other_modules_are_not_found(project: Path, home: Path) -> None:
    folder = home / ".config" / "opencode" / "plugin"
    put(folder / "mine.ts", "// takes the place of opencode-openai-codex-key\nexport default async () => ({})\n")
    put(folder / "opencode-openai-codex-key.md", "about it")
    put(folder / "opencode-openai-codex-key.ts.bak-20260101-000000", "renamed")
    put(folder / "below" / "opencode-openai-codex-key.ts", "OpenCode does not search subfolders")
    put(project / "plugin" / "opencode-openai-codex-key.ts", "nor a folder beside a project's own file")
    assert find(project, home) == []


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_is_judged_by_its_target(project: Path, home: Path, tmp_path: Path) -> None:
    real = put(tmp_path / "opencode-openai-codex-key" / "dist" / "index.js", "")
    link = home / ".config" / "opencode" / "plugin" / "codex.js"
    link.parent.mkdir(parents=True)
    link.symlink_to(real)
    loop = link.with_name("loop.js")
    loop.symlink_to(loop)
    assert find(project, home) == [Found(link, "")]


TEMPLATE = {
    "reasoningEffort": "medium",
    "reasoningSummary": "auto",
    "textVerbosity": "medium",
    "include": ["reasoning.encrypted_content"],
    "store": False,
}


def without_plugin(configuration: dict[str, Any]) -> Any:
    document = Document(json.dumps(configuration, indent=2))
    return parser.parse(document.remove(legacy_plugin.removal(document)))


def test_removal_includes_the_options_from_the_plugins_template() -> None:
    models = {"gpt-5.2-codex-high": {"options": {"reasoningEffort": "high"}}}
    configuration = {
        "plugin": ["opencode-openai-codex-key"],
        "provider": {"openai": {"options": TEMPLATE, "models": models}},
        "model": "openai/gpt-5.2-codex-high",
    }
    assert without_plugin(configuration) == {
        "provider": {"openai": {"models": models}},
        "model": "openai/gpt-5.2-codex-high",
    }


def test_removal_keeps_other_plugins_and_the_users_values() -> None:
    options = {**TEMPLATE, "reasoningEffort": "high", "baseURL": "http://127.0.0.1:8080/v1"}
    configuration = {
        "plugin": ["one", ["opencode-openai-codex-key@4", {}], "two"],
        "provider": {"openai": {"options": options}, "other": {"options": TEMPLATE}},
    }
    assert without_plugin(configuration) == {
        "plugin": ["one", "two"],
        "provider": {
            "openai": {"options": {"reasoningEffort": "high", "baseURL": "http://127.0.0.1:8080/v1"}},
            "other": {"options": TEMPLATE},
        },
    }


@pytest.mark.parametrize(
    "configuration",
    [{}, {"plugin": ["one"], "provider": {"openai": {"options": TEMPLATE}}}, {"plugin": "opencode-openai-codex-key"}],
)
def test_without_the_plugin_there_is_nothing_to_remove(configuration: dict[str, Any]) -> None:
    assert legacy_plugin.removal(Document(json.dumps(configuration))) == []


def test_a_comment_in_the_list_keeps_the_list() -> None:
    text = '{\n  "plugin": [\n    // what I load\n    "opencode-openai-codex-key"\n  ]\n}\n'
    document = Document(text)
    assert document.remove(legacy_plugin.removal(document)) == '{\n  "plugin": [\n    // what I load\n  ]\n}\n'


def test_the_list_of_opencode_2_is_searched_too(tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "opencode"
    folder.mkdir(parents=True)
    file = folder / "opencode.json"
    file.write_text(
        '{"plugins": ["opencode-openai-codex-auth@4", {"package": "opencode-openai-codex-key", "options": {}}, "mine"],'
        ' "plugin": ["opencode-openai-codex-auth"]}'
    )
    found = legacy_plugin.find({}, tmp_path, tmp_path)
    names = ["opencode-openai-codex-auth", "opencode-openai-codex-auth@4", "opencode-openai-codex-key"]
    assert found == [legacy_plugin.Found(file, name) for name in names]
    document = Document(file.read_text())
    assert parser.parse(document.remove(legacy_plugin.removal(document))) == {"plugins": ["mine"]}
