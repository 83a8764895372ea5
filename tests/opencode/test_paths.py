import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from codex_transform.opencode import paths as opencode_paths
from codex_transform.opencode.paths import Found, paths, read, signature


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def environ(tmp_path: Path, **more: str) -> dict[str, str]:
    """An environment without the managed configuration of this machine's administrator."""
    return {"OPENCODE_TEST_MANAGED_CONFIG_DIR": str(tmp_path / "managed"), **more}


def put(path: Path, text: str | bytes = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def relative_names(tmp_path: Path, found: list[Path]) -> list[str]:
    return [path.relative_to(tmp_path).as_posix() for path in found if path.is_relative_to(tmp_path)]


def clone(folder: Path) -> None:
    put(folder / ".git" / "HEAD", "ref: refs/heads/main\n")


# The precedence that OpenCode 1.18.33 showed for contradicting files in all these places, lowest first.
IN_A_CLONE = [
    "home/.config/opencode/config.json",
    "home/.config/opencode/opencode.json",
    "home/.config/opencode/opencode.jsonc",
    "custom.json",
    "w/opencode.json",
    "w/opencode.jsonc",
    "w/a/opencode.json",
    "w/a/opencode.jsonc",
    "w/a/.opencode/opencode.json",
    "w/a/.opencode/opencode.jsonc",
    "w/.opencode/opencode.json",
    "w/.opencode/opencode.jsonc",
    "home/.opencode/opencode.json",
    "home/.opencode/opencode.jsonc",
    "extra/opencode.json",
    "extra/opencode.jsonc",
    "managed/opencode.json",
    "managed/opencode.jsonc",
]


def test_the_order_of_files_in_a_clone(tmp_path: Path, home: Path) -> None:
    clone(tmp_path / "w")
    env = environ(tmp_path, OPENCODE_CONFIG=str(tmp_path / "custom.json"), OPENCODE_CONFIG_DIR=str(tmp_path / "extra"))
    assert relative_names(tmp_path, paths(env, tmp_path / "w" / "a", home)) == IN_A_CLONE


def test_inline_configuration_comes_before_the_managed_one(tmp_path: Path, home: Path) -> None:
    clone(tmp_path / "w")
    for name in IN_A_CLONE:
        put(tmp_path / name, f'"{name}"')
    env = environ(
        tmp_path,
        OPENCODE_CONFIG="../../custom.json",
        OPENCODE_CONFIG_DIR="../../extra",
        OPENCODE_CONFIG_CONTENT='"inline"',
    )
    found = read(env, tmp_path / "w" / "a", home)
    assert [source.text.strip('"') for source in found.sources] == [*IN_A_CLONE[:-2], "inline", *IN_A_CLONE[-2:]]
    assert found.sources[-3].name == "OPENCODE_CONFIG_CONTENT"
    assert found.warnings == ()


def test_without_a_clone_the_search_goes_up_to_the_root(tmp_path: Path, home: Path) -> None:
    put(tmp_path / "w" / "a" / ".git" / "notes")
    found = relative_names(tmp_path, paths(environ(tmp_path), tmp_path / "w" / "a" / "b", home))
    assert found[3:11] == [
        "opencode.json",
        "opencode.jsonc",
        "w/opencode.json",
        "w/opencode.jsonc",
        "w/a/opencode.json",
        "w/a/opencode.jsonc",
        "w/a/b/opencode.json",
        "w/a/b/opencode.jsonc",
    ]


def test_a_linked_worktree_ends_the_search_like_a_clone(tmp_path: Path, home: Path) -> None:
    put(tmp_path / "w" / "a" / ".git", "gitdir: /elsewhere\n")
    found = relative_names(tmp_path, paths(environ(tmp_path), tmp_path / "w" / "a" / "b", home))
    assert "w/a/opencode.json" in found
    assert "w/opencode.json" not in found


def test_the_config_folder_follows_xdg_config_home(tmp_path: Path, home: Path) -> None:
    env = environ(tmp_path, XDG_CONFIG_HOME=str(tmp_path / "xdg"))
    assert relative_names(tmp_path, paths(env, home, home))[0] == "xdg/opencode/config.json"


@pytest.mark.parametrize("value", ["1", "true", "TRUE"])
def test_project_files_can_be_disabled(value: str, tmp_path: Path, home: Path) -> None:
    env = environ(tmp_path, OPENCODE_DISABLE_PROJECT_CONFIG=value)
    found = relative_names(tmp_path, paths(env, tmp_path / "w", home))
    assert not [name for name in found if name.startswith("w/")]
    assert "home/.opencode/opencode.json" in found


def test_no_folder_is_read_twice(tmp_path: Path, home: Path) -> None:
    env = environ(tmp_path, OPENCODE_CONFIG_DIR=str(home / ".opencode"))
    found = paths(env, home / "w", home)
    assert len(found) == len(set(found))


def test_the_global_folder_named_as_extra_folder_comes_before_the_hidden_ones(tmp_path: Path, home: Path) -> None:
    env = environ(tmp_path, OPENCODE_CONFIG_DIR=str(home / ".config" / "opencode"))
    found = relative_names(tmp_path, paths(env, home, home))
    again = found.index("home/.config/opencode/opencode.json", 3)
    assert found.index("home/opencode.jsonc") < again < found.index("home/.opencode/opencode.json")


# ── references ───────────────────────────────────────────────────────────────────────────────────────────────────


def substitute(home: Path, text: str, env: Mapping[str, str] | None = None) -> tuple[str, Found]:
    folder = home / ".config" / "opencode"
    put(folder / "opencode.json", text)
    found = read({"OPENCODE_TEST_MANAGED_CONFIG_DIR": str(home / "none"), **(env or {})}, home, home)
    return found.sources[0].text, found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"<{env:A}>"', '"<va>"'),
        ('"<{env:NOT_SET}>"', '"<>"'),
        ('"<{env:EMPTY}>"', '"<>"'),
        ('"{env:}{ env:A}{env: A }"', '"{env:}{ env:A}"'),
        ("// {env:A}", "// va"),
        ('{"{env:A}": {env:N}}', '{"va": 5}'),
        ('"{env:Q}"', '"a","b"'),
        ('"{env:F}"', '"from file"'),
    ],
)
def test_variables_are_inserted_unescaped(text: str, expected: str, home: Path) -> None:
    put(home / ".config" / "opencode" / "s.txt", "from file\n")
    env = {"A": "va", "EMPTY": "", "N": "5", "Q": 'a","b', "F": "{file:s.txt}"}
    result, found = substitute(home, text, env)
    assert result == expected
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"{file:s.txt}"', '"q\\"uo\\\\te\\nline {env:A} {file:s.txt}"'),
        ('"{file:./sub/t.txt}{file:sub/t.txt}"', '"tt"'),
        ('"{file:~/h.txt}"', '"at home"'),
        ("  // {file:missing}", "  // {file:missing}"),
        ('{} // "{file:sub/t.txt}"', '{} // "t"'),
        ('"{file:latin.txt}"', '"a\ufffdb"'),
    ],
)
def test_files_are_inserted_trimmed_and_escaped(text: str, expected: str, home: Path) -> None:
    folder = home / ".config" / "opencode"
    put(folder / "s.txt", '\ufeff \tq"uo\\te\nline {env:A} {file:s.txt}\r\n\n')
    put(folder / "sub" / "t.txt", "t\n")
    put(folder / "latin.txt", b"a\xffb")
    put(home / "h.txt", "at home")
    result, found = substitute(home, text, {"A": "va"})
    assert result == expected
    assert found.warnings == ()


def test_a_file_reference_may_be_absolute(home: Path, tmp_path: Path) -> None:
    put(tmp_path / "abs.txt", "abs")
    assert substitute(home, f'"{{file:{(tmp_path / "abs.txt").as_posix()}}}"')[0] == '"abs"'


def test_references_of_inline_configuration_are_relative_to_the_project(home: Path, tmp_path: Path) -> None:
    put(tmp_path / "w" / "f.txt", "f")
    found = read(environ(tmp_path, OPENCODE_CONFIG_CONTENT='"{file:f.txt}"'), tmp_path / "w", home)
    assert found.sources[0].text == '"f"'


@pytest.mark.parametrize("name", ["missing.txt", "sub", "large.txt", "nul\0"])
def test_an_unusable_referenced_file_is_a_warning_and_counts_as_empty(name: str, home: Path) -> None:
    folder = home / ".config" / "opencode"
    (folder / "sub").mkdir(parents=True)
    put(folder / "large.txt", b"x" * ((1 << 20) + 1))
    result, found = substitute(home, f'"<{{file:{name}}}>"')
    assert result == '"<>"'
    (warning,) = found.warnings
    assert warning.startswith(f"{folder / 'opencode.json'}: {folder / name}, named by a {{file:…}} reference")


@pytest.mark.skipif(os.name != "posix", reason="devices are files on POSIX systems only")
def test_only_regular_files_are_read(home: Path) -> None:
    folder = home / ".config" / "opencode"
    folder.mkdir(parents=True)
    (folder / "opencode.jsonc").symlink_to(os.devnull)
    result, found = substitute(home, f'"{{file:{os.devnull}}}"')
    assert result == '""'
    assert [warning.endswith("not a regular file") for warning in found.warnings] == [True, True]


def test_an_unreadable_configuration_file_is_a_warning(home: Path) -> None:
    folder = home / ".config" / "opencode"
    (folder / "config.json").mkdir(parents=True)
    _, found = substitute(home, "{}")
    (warning,) = found.warnings
    assert warning == f"{folder / 'config.json'}: not used: not a regular file"


def test_empty_and_missing_files_are_ignored(home: Path) -> None:
    put(home / ".config" / "opencode" / "config.json", "")
    found = read({"OPENCODE_CONFIG": "/nowhere/at/all.json"}, home, home)
    assert (found.sources, found.warnings) == ((), ())


# ── noticing changes ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_signature_changes_with_every_file_that_is_read(home: Path, tmp_path: Path) -> None:
    env = environ(tmp_path)
    referenced = put(home / ".config" / "opencode" / "s.txt", "v")
    put(home / ".config" / "opencode" / "opencode.json", '"{file:s.txt}{file:s.txt}"')
    files = read(env, home / "w", home).files
    assert len(files) == len(set(files))
    seen = [signature(files)]
    assert signature(files) == seen[0]
    for change in (
        lambda: referenced.write_text("other"),
        lambda: put(home / "w" / "opencode.jsonc"),
        lambda: put(home / ".opencode" / "opencode.json", "{ }"),
        lambda: (home / "w" / "opencode.jsonc").unlink(),
        lambda: os.utime(referenced, ns=(1, 1)),
    ):
        change()
        seen.append(signature(files))
    assert all(before != after for before, after in pairwise(seen))


def test_missing_and_impossible_paths_have_a_signature() -> None:
    assert signature([Path("/nowhere/at/all"), Path("nul\0")]) == (None, None)


def test_the_managed_files_of_this_machine_come_last(tmp_path: Path, home: Path) -> None:
    last = paths({}, home, home)[-2:]
    assert [path.name for path in last] == ["opencode.json", "opencode.jsonc"]
    assert last[0].is_absolute()
    assert not last[0].is_relative_to(tmp_path)
    assert opencode_paths.paths({"OPENCODE_TEST_MANAGED_CONFIG_DIR": ""}, home, home)[-2:] == last
