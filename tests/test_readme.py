"""The README holds: its commands are run, its tables compared with the code, its examples loaded."""

import http.client
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import programs
import pytest
from running import LISTENING, Proxy, mitmdump

from codex_transform import catalog, endpoint, opencode, sandbox, settings
from codex_transform.sandbox import Sandbox
from codex_transform.settings import KNOBS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def fenced(language: str) -> list[str]:
    """The blocks of this language, "" for those that name none."""
    blocks = re.split("^```", README, flags=re.MULTILINE)[1::2]
    return [text for name, _, text in (block.partition("\n") for block in blocks) if name == language]


def rows(header: str) -> list[list[str]]:
    """The cells of the table that has this header line."""
    _, _, rest = README.partition(f"{header}\n")
    assert rest, f"the README has no table {header}"
    lines = re.match(r"\|[-|]+\|\n((?:\|.*\n)+)", rest)
    assert lines
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1].splitlines()]


# -- commands ---------------------------------------------------------------------------------------------------------

SERVERS = [
    "CODEX_BASE_URL=https://your-codex-api.com CODEX_API_KEY=sk-... "
    ".venv/bin/mitmdump -s addon.py --listen-host 127.0.0.1",
    "python3 scripts/start.py",
    "python3 scripts/start.py --web",
    "python3 scripts/start.py -- --mode reverse:https://your-codex-api.com",
]
"""These serve until they are ended."""

IN_THE_GATE = ["python3 scripts/test.py", "python3 scripts/test.py --lint", "python3 scripts/test.py --python 3.11"]
"""These would run this test: the gate runs them."""

ONE_BY_ONE = [
    "python3 scripts/demo.py",
    "python3 scripts/test.py tests/request -k bridge",
    "python3 scripts/bench.py --quick",
    ".venv/bin/python -m codex_transform.sandbox",
]
"""Each has a test of its own below."""


def test_every_command_is_run() -> None:
    lines = [line for block in fenced("sh") if "export" not in block for line in block.splitlines()]
    assert sorted(lines) == sorted([*SERVERS, *IN_THE_GATE, *ONE_BY_ONE])


@pytest.mark.parametrize("command", IN_THE_GATE)
def test_the_gate_runs_the_same_commands(command: str) -> None:
    lines = [line.strip() for line in (ROOT / ".ci" / "run").read_text().splitlines()]
    assert command in lines
    assert lines[-1] == "python3 scripts/test.py"


@pytest.fixture
def local() -> Iterator[Sandbox]:
    """The endpoint that stands in for https://your-codex-api.com."""
    with sandbox.running() as running:
        yield running


def adapted(command: str, local: Sandbox) -> list[str]:
    """A command of the README for this Python, this endpoint and any free port."""
    words = shlex.split(command.replace("https://your-codex-api.com", local.url).replace("sk-...", local.key))
    if "scripts/start.py" in words:
        at = words.index("scripts/start.py") + 1
        words[at:at] = ["--port", "0"]
    elif ".venv/bin/mitmdump" in words:
        words += ["--listen-port", "0"]
    if "--web" in words:
        words += ["--", "--no-web-open-browser", "--set", "web_port=0"]
    installed = {"python3": sys.executable, ".venv/bin/python": sys.executable}
    installed[".venv/bin/mitmdump"] = str(Path(sys.executable).with_name("mitmdump"))
    return ["env", *(installed.get(word, word) for word in words)]


def surroundings(home: Path, **variables: str) -> dict[str, str]:
    temporary = home / "tmp"
    temporary.mkdir(exist_ok=True)
    own = {"HOME": str(home), "TMPDIR": str(temporary), "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
    return own | {"CODEX_CATALOG_URL": "http://127.0.0.1:9/none"} | variables


@contextmanager
def served(command: list[str], environ: dict[str, str]) -> Iterator[Proxy]:
    """A command that serves until Ctrl-C, and then ends with status 0."""
    with subprocess.Popen(
        command,
        env=environ,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        running = Proxy(process, Path(environ["HOME"]))
        reader = threading.Thread(target=running.read, daemon=True)
        reader.start()
        try:
            yield running
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)
            reader.join(5)
    assert process.returncode == 0, running.log


@pytest.mark.parametrize("command", SERVERS)
def test_what_serves_serves(command: str, local: Sandbox, tmp_path: Path) -> None:
    variables = {"CODEX_BASE_URL": local.url, "CODEX_API_KEY": local.key}
    with served(adapted(command, local), surroundings(tmp_path, **variables)) as proxy:
        proxy.port = int(proxy.wait_for(LISTENING.pattern)[1])
        client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=30)
        target = "/v1/responses" if "reverse:" in command else "http://api.openai.com/v1/responses"
        client.request("POST", target, json.dumps({"model": "gpt-5.1", "input": "say hello"}))
        answer = client.getresponse()
        said = json.load(answer)
        client.close()
        assert answer.status == 200, said
    assert "[sandbox]" in json.dumps(said["output"])
    assert local.key not in proxy.log
    if "reverse:" in command:
        assert fenced("json")[0].replace("8080", str(proxy.port)) in proxy.log
        assert "HTTPS_PROXY" not in proxy.log


def test_the_demo(tmp_path: Path, local: Sandbox) -> None:
    """With the plain client, which is quick; tests/test_scripts.py runs it with OpenCode."""
    environ = surroundings(tmp_path, PATH=str(tmp_path))
    command = adapted("python3 scripts/demo.py", local)[1:]
    # A copy, where there is no OpenCode in the cache.
    for name in ("scripts", "codex_transform", "addon.py", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^test\.txt +hello world$", done.stdout, re.MULTILINE)


def test_a_part_of_the_tests(tmp_path: Path, local: Sandbox) -> None:
    command = adapted("python3 scripts/test.py tests/request -k bridge", local)
    environ = surroundings(tmp_path)
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b\d+ passed", done.stdout)


def test_the_benchmark(tmp_path: Path, local: Sandbox) -> None:
    """That it runs and gives every row; what the figures are is not for a busy machine to say."""
    command = adapted("python3 scripts/bench.py --quick", local)
    done = subprocess.run(
        [*command, "--json"],
        cwd=ROOT,
        env=surroundings(tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(json.loads(done.stdout)["results"]) >= 8


def test_the_sandbox(tmp_path: Path, local: Sandbox) -> None:
    command = adapted(".venv/bin/python -m codex_transform.sandbox", local)
    with served(command, surroundings(tmp_path)) as running:
        found = running.wait_for(r"sandbox: http://127\.0\.0\.1:(\d+) key (\S+)")
        client = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
        client.request("POST", "/backend-api/codex/responses", "{}", {"authorization": f"Bearer {found[2]}"})
        assert client.getresponse().status == 400
        client.close()


def test_opencodes_terminal(tmp_path: Path, local: Sandbox) -> None:
    """The lines for OpenCode's terminal, run by a shell."""
    (block,) = (block for block in fenced("sh") if "export" in block)
    program = programs.opencode(programs.OPENCODE)
    if program is None:
        why = f"OpenCode is not there: {programs.install_command(programs.OPENCODE)}"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    folder, project = tmp_path / "bin", tmp_path / "project"
    folder.mkdir()
    project.mkdir()
    (folder / "opencode").symlink_to(program)
    with mitmdump(tmp_path, local) as proxy:
        done = subprocess.run(
            ["bash", "-e", "-c", block.replace("http://127.0.0.1:8080", proxy.url)],
            cwd=project,
            env=surroundings(tmp_path, PATH=f"{folder}:/usr/bin:/bin", PWD=str(project)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "[sandbox]" in done.stdout


# -- examples ---------------------------------------------------------------------------------------------------------


def loaded_by_opencode(text: str, home: Path) -> opencode.OpenCodeConfig:
    file = home / ".config" / "opencode" / "opencode.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    config, warnings = opencode.load({}, home, home)
    assert not warnings
    return config


def test_the_examples_of_configuration(tmp_path: Path) -> None:
    reverse, own, model = fenced("json")
    assert loaded_by_opencode(reverse, tmp_path / "1").client_base_url == "http://127.0.0.1:8080/v1"
    (name,) = json.loads(model)["provider"]["openai"]["models"]
    assert catalog.resolve(name).model
    loaded_by_opencode(model, tmp_path / "2")
    file = tmp_path / "openai-codex-auth-config.json"
    file.write_text(own)
    file.chmod(0o600)
    loaded = settings.load({}, {}, file, opencode.OpenCodeConfig())
    assert not loaded.problems
    assert {knob.key for knob in KNOBS if str(file) in loaded.sources[knob.field]} == json.loads(own).keys()


# -- tables -----------------------------------------------------------------------------------------------------------


def test_the_settings_table() -> None:
    def default(field: str, value: object) -> str:
        if value is None:
            return "needed" if field in ("base_url", "api_key") else "none"
        if isinstance(value, bool):
            return "on" if value else "off"
        return f"`{', '.join(value) if isinstance(value, tuple) else value}`"

    assert rows("| option | environment | file key | default | meaning |") == [
        [f"`{knob.option}`", f"`{knob.environ}`", f"`{knob.key}`", default(knob.field, knob.default), knob.help]
        for knob in KNOBS
    ]


def test_the_models_table() -> None:
    def verbosity(model: catalog.Model) -> str:
        return model.default_verbosity or "yes" if model.supports_verbosity else "-"

    assert rows("| model | efforts | default effort | verbosity |") == [
        [f"`{model.slug}`", " ".join(model.efforts), model.default_effort, verbosity(model)]
        for model in catalog.models()
        if model.slug not in catalog.aliases()
    ]


def test_the_aliases_table() -> None:
    table = rows("| asked for | sent |")
    assert table == [[f"`{name}`", f"`{slug}`"] for name, slug in catalog.aliases().items()]


def test_the_base_url_table() -> None:
    tried = 0
    for cell, result in rows("| base URL | requests go to |")[:-1]:
        results = re.findall("`(.+?)`", result)
        for index, base_url in enumerate(re.findall("`(.+?)`", cell)):
            assert endpoint.parse(base_url).url == results[min(index, len(results) - 1)]
            tried += 1
    assert tried >= 6
    assert endpoint.parse("https://h/some/responses").url == "https://h/some/responses"


def test_the_dependencies_table() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    named = {name for row in rows("| package | why |") for name in re.findall("`(.+?)`", row[0])}
    assert named == {re.split("[<>=;]", requirement)[0] for requirement in needed}


OPENCODES_OWN = {
    "Cannot connect to API: Unable to connect",
    "unable to verify the first certificate",
    "UnknownError",
    "Unexpected server error",
}


def test_messages_are_quoted_as_they_are() -> None:
    """What the last table quotes is said by our code, or was read off OpenCode."""

    def constant(text: str) -> str:
        """Without what varies: names of settings, numbers, replacement fields."""
        return re.sub(r"codex_base_url|codex_api_key|\{[^{}]*\}|\d+", "…", text)

    files = [*(ROOT / "codex_transform").rglob("*.py"), ROOT / "scripts" / "start.py"]
    code = "".join(path.read_text("utf-8") for path in files)
    # Long messages stand in the code in several pieces.
    said = constant(re.sub(r'"\s*\n\s*f?"', "", code))
    quoted = [quote for row in rows("| what you see | why | what to do |") for quote in re.findall("`(.+?)`", row[0])]
    assert set(quoted) > OPENCODES_OWN
    assert [quote for quote in quoted if quote not in OPENCODES_OWN and constant(quote) not in said] == []


def test_the_layout_is_there() -> None:
    block = fenced("")[-1]
    folder = ROOT
    paths = []
    for line in block.splitlines():
        if not line.startswith(" "):
            folder = ROOT
        names = re.split(r"  +", line.strip())[0].split(", ")
        paths += [folder / name for name in names]
        if names[0] == "codex_transform/":
            folder = ROOT / "codex_transform"
    assert len(paths) > 10
    assert [path for path in paths if not path.exists()] == []


def test_links_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.strip("# ").lower()).replace(" ", "-")
        for line in README.splitlines()
        if line.startswith("#")
    }
    targets = re.findall(r"\]\((#?[^)]+)\)", README)
    assert targets
    for target in targets:
        assert target[1:] in headings if target.startswith("#") else urlsplit(target).scheme == "https"
