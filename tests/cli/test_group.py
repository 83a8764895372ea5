"""Common to all commands: help, completion, colours, and machines without a home or a terminal."""

import subprocess
import sys

import pytest
from support.commands import Person
from support.running import ROOT

from codex_transform import __version__

pytestmark = pytest.mark.gate

COMMANDS = [
    *("login", "logout", "whoami", "run", "start", "doctor", "config", "models", "usage", "addon-path", "completion")
]


def test_the_list_of_commands_is_shown_without_importing_them() -> None:
    says = (
        "import sys; from codex_transform.cli import main; main(['--help'], standalone_mode=False);"
        "print(sorted(name for name in sys.modules if name.startswith(('codex_transform', 'pydantic', 'mitmproxy'))))"
    )
    done = subprocess.run([sys.executable, "-c", says], cwd=ROOT, capture_output=True, text=True, check=True)
    for command in COMMANDS:
        assert f"\n  {command} " in done.stdout
    assert (
        done.stdout.splitlines()[-1]
        == "['codex_transform', 'codex_transform.cli', 'codex_transform.console', 'codex_transform.paths']"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_examples(command: str, person: Person) -> None:
    done = person.run(command, "--help")
    assert done.returncode == 0, done.stderr
    assert "codex-transform" in done.stdout
    assert "xample" in done.stdout or command == "completion"


def test_the_list_has_the_first_line_of_each_commands_help(person: Person) -> None:
    listed = dict(line.split(None, 1) for line in person.run("--help").stdout.splitlines() if line.startswith("  "))
    for command in COMMANDS:
        about = listed[command].strip()
        assert about.rstrip(".") in " ".join(person.run(command, "--help").stdout.split()), command


def test_the_version_is_printed(person: Person) -> None:
    assert person.run("--version").stdout == f"codex-transform, version {__version__}\n"


def test_an_unknown_command_is_refused(person: Person) -> None:
    done = person.run("lgoin")
    assert done.returncode == 2
    assert "No such command" in done.stderr


def test_commands_and_options_are_completed(person: Person) -> None:
    asked = {"_CODEX_TRANSFORM_COMPLETE": "bash_complete"}
    done = person.run(COMP_WORDS="codex-transform log", COMP_CWORD="1", **asked)
    assert done.stdout.split() == ["plain,login", "plain,logout"]
    done = person.run(COMP_WORDS="codex-transform start --w", COMP_CWORD="2", **asked)
    assert done.stdout.split() == ["plain,--web"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_completion_script_for_each_shell(shell: str, person: Person) -> None:
    done = person.run("completion", shell)
    assert done.returncode == 0, done.stderr
    assert "_CODEX_TRANSFORM_COMPLETE" in done.stdout
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=True)


def test_colours_are_used_only_at_a_terminal(person: Person) -> None:
    with person.at_terminal("models") as child:
        assert "\x1b[" in child.read()
    with person.at_terminal("models", NO_COLOR="1") as child:
        assert "\x1b[" not in child.read()
    assert "\x1b[" not in person.run("models").stdout


def test_characters_that_the_output_cannot_encode_are_replaced(person: Person) -> None:
    done = person.run(
        "whoami", CODEX_BASE_URL="https://h", CODEX_API_KEY="sk-0123456789abcdef", PYTHONIOENCODING="latin-1"
    )
    assert done.returncode == 0, done.stderr
    assert "sk-...cdef" in done.stdout


@pytest.mark.parametrize("home", ["", "somewhere"])
@pytest.mark.parametrize("command", ["login", "logout", "whoami", "run", "start", "usage"])
def test_without_a_home_the_variable_is_named(command: str, home: str, person: Person) -> None:
    more = ["true"] if command == "run" else ["--port", "0"] if command == "start" else []
    done = person.run(command, *more, HOME=home)
    assert done.returncode == 1
    assert "HOME" in done.stderr
    assert not list(person.project.iterdir())


def test_a_deleted_working_directory_is_reported(person: Person) -> None:
    person.project = person.project / "gone"
    person.project.mkdir()
    command = f"rmdir {person.project}; exec {sys.executable} -m codex_transform whoami"
    done = subprocess.run(
        ["sh", "-c", command], cwd=person.project, env=person.environ(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "This folder is gone" in done.stderr
