"""The scripts as a newcomer runs them: as programs, in a copy of the project, each with its own home."""

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import programs
import pytest
from support import leftovers, needed
from support.running import ROOT, serving
from support.waiting import eventually

from codex_transform import sandbox as sandboxes
from codex_transform.sandbox import Sandbox

# Only in the gate, because each test starts whole programs.
pytestmark = pytest.mark.gate

COPIED = ("scripts", "codex_transform", "addon.py", "pyproject.toml", "README.md", "tests/test_fsutil.py")


class Checkout:
    """A copy of the project in a path with a space, with a home and a folder for temporary files."""

    def __init__(self, top: Path) -> None:
        self.root, self.home, self.temporary = top / "the project", top / "home", top / "temporary"
        for folder in (self.root / "tests", self.home, self.temporary):
            folder.mkdir(parents=True)
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self.root / name)

    @property
    def config(self) -> Path:
        return self.home / ".opencode" / "openai-codex-auth-config.json"

    def environ(self, **variables: str) -> dict[str, str]:
        base = {"PATH": os.environ["PATH"], "HOME": str(self.home), "TMPDIR": str(self.temporary)}
        return base | {"CODEX_CATALOG_URL": "http://127.0.0.1:9/none", "PYTHONUNBUFFERED": "1"} | variables

    def command(self, script: str, *arguments: str, python: str = sys.executable) -> list[str]:
        return [python, str(self.root / "scripts" / script), *arguments]

    def run(
        self, script: str, *arguments: str, python: str = sys.executable, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a script to its end, from another folder and without input."""
        return subprocess.run(
            self.command(script, *arguments, python=python),
            env=self.environ(**variables),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def leftovers(self) -> list[str]:
        """Temporary files, and running processes that were started with this temporary folder."""
        return [*map(str, self.temporary.iterdir()), *leftovers.processes(self.temporary)]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture
def checkout_with_opencode(checkout: Checkout) -> Checkout:
    """A checkout with the real project's programs from npm."""
    for version in (programs.OPENCODE, programs.OLD_OPENCODE):
        needed.opencode(version)
    (checkout.root / ".cache").symlink_to(programs.CACHE)
    return checkout


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with sandboxes.running() as running:
        yield running


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return path


# -- environment.py ---------------------------------------------------------------------------------------------------
# Fake Pythons with pip, which need neither network nor minutes; test.py creates a real environment.

PROBE = "import sys, environment\nenvironment.enter(*sys.argv[1:])\n"
SUCCEEDS = "exit 0"
NO_RELEASE = "echo 'ERROR: No matching distribution found for mitmproxy'; exit 1"
OFFLINE = "echo 'WARNING: Retrying (Retry(total=4)) after connection broken'; echo 'ERROR: No matching'; exit 1"
VENV = 'mkdir -p "$3/bin" && cp "$0" "$3/bin/python"'


class Pythons:
    """Fake Pythons in their own folder, newer than the one that runs the tests."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self.folder = checkout.home / "bin"
        self.path = f"{self.folder}:/usr/bin:/bin"
        (checkout.root / "scripts" / "probe.py").write_text(PROBE)

    def add(self, minor: int, pip: str = SUCCEEDS, venv: str = VENV) -> None:
        executable(
            self.folder / f"python3.{minor}",
            f"""case "$1 $2" in
  "-c "*) echo "3 {minor} $0" ;;
  "-m venv") {venv} ;;
  "-m pip") {pip} ;;
  *) echo "python 3.{minor} runs $*" ;;
esac
""",
        )

    def enter(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a script that enters its environment, from outside any environment."""
        base = getattr(sys, "_base_executable", sys.executable)
        return self.checkout.run("probe.py", *arguments, python=base, PATH=self.path)


@pytest.fixture
def pythons(checkout: Checkout) -> Pythons:
    return Pythons(checkout)


def test_the_newest_python_that_can_install_the_packages_is_set_up_once(pythons: Pythons) -> None:
    pythons.add(15, NO_RELEASE)
    pythons.add(14)
    first, second = pythons.enter(), pythons.enter()
    assert first.returncode == 0, first.stderr
    tried = re.findall(r"Setting up \.venv with .*(python3\.\d+)", first.stdout)
    assert tried == ["python3.15", "python3.14"]
    assert second.stdout == f"python 3.14 runs {pythons.checkout.root / 'scripts' / 'probe.py'}\n"
    assert first.stdout.endswith(second.stdout)


def test_a_broken_python_on_the_path_is_skipped(pythons: Pythons) -> None:
    executable(pythons.folder / "python3.15", "echo 'not installed' >&2; exit 127")
    pythons.add(14)
    assert "python 3.14 runs" in pythons.enter().stdout


def test_a_requested_version_gets_its_own_environment(pythons: Pythons) -> None:
    pythons.add(15)
    pythons.add(14)
    assert "python 3.14 runs" in pythons.enter("", "3.14").stdout
    assert (pythons.checkout.root / ".cache" / "venv-3.14").is_dir()
    assert not (pythons.checkout.root / ".venv").exists()


def test_a_requested_version_that_is_not_installed(pythons: Pythons) -> None:
    done = pythons.enter("", "3.99")
    assert done.returncode == 1
    assert "needs Python 3.99" in done.stderr


def test_an_environment_of_an_interrupted_start_is_recreated(pythons: Pythons) -> None:
    pythons.add(15)
    incomplete = executable(pythons.checkout.root / ".venv" / "bin" / "python", "echo half made")
    done = pythons.enter()
    assert "Setting up" in done.stdout
    assert "half made" not in done.stdout
    assert "half made" not in incomplete.read_text()


def test_a_project_that_was_moved_gets_a_new_environment(pythons: Pythons) -> None:
    pythons.add(15)
    pythons.enter()
    pythons.checkout.root = pythons.checkout.root.rename(pythons.checkout.home / "moved")
    assert "Setting up" in pythons.enter().stdout


def test_newly_required_packages_are_installed(pythons: Pythons) -> None:
    pythons.add(15)
    pythons.enter()
    assert "Updating .venv" in pythons.enter("test").stdout
    assert "Updating" not in pythons.enter("test").stdout + pythons.enter().stdout
    project = pythons.checkout.root / "pyproject.toml"
    project.write_text(project.read_text() + "# about tools\n")
    assert "Updating" not in pythons.enter().stdout
    project.write_text(project.read_text().replace('"mitmproxy>=', '"another-package",\n  "mitmproxy>='))
    assert "Updating .venv" in pythons.enter().stdout


def test_without_network_no_other_python_is_tried(pythons: Pythons) -> None:
    pythons.add(15, OFFLINE)
    pythons.add(14)
    done = pythons.enter()
    assert done.returncode == 1
    assert "cannot reach the package index" in done.stderr
    assert "python3.14" not in done.stdout


def test_without_network_an_existing_environment_is_used(pythons: Pythons) -> None:
    pythons.add(15, f"case $* in *test*) {OFFLINE} ;; esac")
    pythons.enter()
    assert pythons.enter("test").returncode == 1
    assert pythons.enter().stdout.startswith("python 3.15 runs")


def test_a_python_without_venv(pythons: Pythons) -> None:
    pythons.add(15, venv="echo '/usr/bin/python3: No module named venv'; exit 1")
    done = pythons.enter("", "3.15")
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr


# -- demo.py ----------------------------------------------------------------------------------------------------------


def table(output: str) -> dict[str, tuple[str, str]]:
    """The rows of the demo's table: what the client sent, and what the endpoint received."""
    lines = iter(output.splitlines())
    ruler = next(line for line in lines if line.startswith("---"))
    label, column, _ = map(len, ruler.split(" | "))
    rows: dict[str, tuple[str, str]] = {}
    name = ""
    for line in itertools.takewhile(str.strip, lines):
        if not line.startswith(" "):
            name = line[:label].strip()
            rows[name] = ("", "")
        sent, received = line[label + 3 : label + 3 + column], line[label + column + 6 :]
        rows[name] = (f"{rows[name][0]} {sent.strip()}".strip(), f"{rows[name][1]} {received.strip()}".strip())
    return rows


def test_the_demo_shows_what_the_proxy_does(checkout_with_opencode: Checkout) -> None:
    checkout = checkout_with_opencode
    done = checkout.run("demo.py", COLUMNS="120")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"OpenCode {programs.OPENCODE}" in done.stdout
    assert re.search(r"^test\.txt +hello world$", done.stdout, re.MULTILINE)
    assert "[sandbox] Done: apply_patch" in done.stdout
    rows = table(done.stdout)
    assert rows["URL"][0] == "https://api.openai.com/v1/responses"
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/backend-api/codex/responses", rows["URL"][1])
    assert re.fullmatch(r"Bearer sk-….{4}", rows["authorization"][1])
    assert rows["instructions"][0] == "-"
    assert "characters" in rows["instructions"][1]
    assert "apply_patch" in rows["tools"][0]
    assert "You are OpenCode" in rows["developer"][0]
    assert "You are OpenCode" not in rows["developer"][1]
    assert "all of the first" in rows["second request"][1]
    cached = re.match(r"([\d,]+) of ([\d,]+)", rows["cached tokens"][1])
    assert cached
    assert int(cached[1].replace(",", "")) > 1000
    text = " ".join(done.stdout.split())
    assert re.search(r"streams of \d+ and \d+ events\. Repaired on the way: [\w, .*]*output", text)
    assert "start.py" in done.stdout
    assert "\x1b" not in done.stdout
    assert not done.stderr
    assert not checkout.leftovers()
    # The environment of the tests has all packages, so it was used.
    assert not (checkout.root / ".venv").exists()


def test_the_demo_uses_the_users_own_opencode(checkout_with_opencode: Checkout) -> None:
    checkout = checkout_with_opencode
    program = programs.find_opencode(programs.OLD_OPENCODE)
    assert program is not None
    link = checkout.home / "bin" / "opencode"
    link.parent.mkdir()
    link.symlink_to(program)
    done = checkout.run("demo.py", PATH=f"{link.parent}:/usr/bin:/bin")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"OpenCode {programs.OLD_OPENCODE}, {link}" in done.stdout
    assert "max_output_tokens" in table(done.stdout)["dropped fields"][0]
    assert max(map(len, done.stdout[done.stdout.index("-----") :].splitlines())) <= 80
    assert not checkout.leftovers()


def test_the_demo_runs_without_opencode(checkout: Checkout) -> None:
    done = checkout.run("demo.py", PATH=str(checkout.home), PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a plain Python client" in done.stdout
    assert "no npm" in done.stdout
    assert "[write] Wrote test.txt" in done.stdout
    assert "[sandbox] Done: write" in done.stdout
    assert re.search(r"^test\.txt +hello world$", done.stdout, re.MULTILINE)
    assert table(done.stdout)["model"] == ("gpt-5.3-codex", "the same")
    assert not checkout.leftovers()


@pytest.mark.parametrize("action", ["exit 3", "exit 0", "echo hello > test.txt", "echo hello world > test.txt"])
def test_the_demo_fails_if_the_file_was_not_written_through_the_endpoint(action: str, checkout: Checkout) -> None:
    """A file that was written without the endpoint does not count."""
    executable(checkout.home / "opencode", f'if [ "$1" = --version ]; then echo 9.9.9; else {action}; fi')
    done = checkout.run("demo.py", PATH=f"{checkout.home}:/usr/bin:/bin")
    assert done.returncode == 1
    assert "OpenCode 9.9.9" in done.stdout
    assert "did not work" in done.stdout
    assert "proxy listening" in done.stdout
    assert not checkout.leftovers()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_demo_leaves_nothing_behind_when_it_is_stopped(number: signal.Signals, checkout: Checkout) -> None:
    # The fake OpenCode has a child process and, in one case, ignores SIGTERM.
    ignore = "trap '' TERM;" if number == signal.SIGINT else ""
    work = f"{ignore} echo begun; sleep 300 & sleep 300"
    executable(checkout.home / "opencode", f'if [ "$1" = --version ]; then echo 9.9.9; else {work}; fi')
    with subprocess.Popen(
        checkout.command("demo.py"),
        env=checkout.environ(PATH=f"{checkout.home}:/usr/bin:/bin"),
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        assert any(line == "begun\n" for line in demo.stdout)
        assert checkout.leftovers()
        demo.send_signal(number)
        demo.communicate(timeout=60)
    assert demo.returncode == 128 + number
    # Processes killed as a group may take a moment to end.
    assert eventually(lambda: not checkout.leftovers()), checkout.leftovers()


# -- start.py ---------------------------------------------------------------------------------------------------------


def test_start_runs_codex_transform_start(checkout: Checkout, sandbox: Sandbox) -> None:
    command = checkout.command("start.py", "--port", "0", "--", "--set", f"confdir={checkout.home}/ca")
    environ = checkout.environ(CODEX_BASE_URL=sandbox.url, CODEX_API_KEY=sandbox.key)
    with serving(command, environ, checkout.home, checkout.home) as proxy:
        assert proxy.send({"model": "gpt-5.1", "input": "say hello"})[0] == 200
    assert f"export HTTPS_PROXY={proxy.url}\n" in proxy.log
    assert f"Requests go to {sandbox.url}/backend-api/codex/responses" in proxy.log


def test_start_names_missing_settings(checkout: Checkout) -> None:
    done = checkout.run("start.py", "--port", "0")
    assert done.returncode == 1
    assert "CODEX_BASE_URL and CODEX_API_KEY" in done.stderr
    assert not list(checkout.home.iterdir())


# -- test.py ----------------------------------------------------------------------------------------------------------


def test_test_runs_the_tests_and_returns_their_status(checkout_with_opencode: Checkout) -> None:
    done = checkout_with_opencode.run("test.py", "-q", "-n0", "tests/test_fsutil.py", "-k", "not disk")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ passed", done.stdout, re.MULTILINE)
    (checkout_with_opencode.root / "tests" / "test_fails.py").write_text("def test_it():\n    assert False\n")
    assert checkout_with_opencode.run("test.py", "-n0", "tests/test_fails.py").returncode == 1
