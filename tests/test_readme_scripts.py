"""The pages' commands for a checkout: demo, tests, benchmark, load, sandbox."""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.readme import IN_THE_GATE, ROOT, SCRIPTS
from support.running import serving


def adapt(command: str, *arguments: str) -> list[str]:
    """A command of the pages, with this Python."""
    assert command in SCRIPTS
    installed = {"python3": sys.executable, ".venv/bin/python": sys.executable}
    return [*(installed.get(word, word) for word in command.split()), *arguments]


def environment(home: Path, **variables: str) -> dict[str, str]:
    temporary = home / "tmp"
    temporary.mkdir(exist_ok=True)
    own = {"HOME": str(home), "TMPDIR": str(temporary), "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
    return own | {"CODEX_CATALOG_URL": "http://127.0.0.1:9/none"} | variables


def run(command: list[str], home: Path, folder: Path = ROOT, **variables: str) -> str:
    """Runs a command, which must succeed; returns its output."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(home, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("command", IN_THE_GATE)
def test_the_gate_runs_the_same_commands(command: str) -> None:
    lines = [line.strip() for line in (ROOT / ".ci" / "run").read_text().splitlines()]
    assert command in lines
    assert lines[-1] == "python3 scripts/test.py"


@pytest.mark.gate
def test_the_demo(tmp_path: Path) -> None:
    """With the plain client, which is fast; tests/test_scripts.py runs it with OpenCode."""
    # A copy without a cache, so that no OpenCode is found.
    for name in ("scripts", "codex_transform", "addon.py", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    output = run(adapt("python3 scripts/demo.py"), tmp_path, tmp_path, PATH=str(tmp_path))
    assert re.search(r"^test\.txt +hello world$", output, re.MULTILINE)


@pytest.mark.gate
def test_a_part_of_the_tests(tmp_path: Path) -> None:
    output = run(adapt("python3 scripts/test.py tests/request -k bridge", "-n0"), tmp_path)
    assert re.search(r"\b\d+ passed", output)


@pytest.mark.gate
def test_the_benchmark(tmp_path: Path) -> None:
    """It runs and has every row; figures from a busy machine would mean nothing."""
    output = run(adapt("python3 scripts/bench.py --quick", "--quick", "--json"), tmp_path)
    assert len(json.loads(output)["results"]) >= 8


@pytest.mark.skipif(sys.platform == "win32", reason="the proxy's memory is read with `ps`")
@pytest.mark.gate
def test_the_benchmark_beside_other_gateways(tmp_path: Path) -> None:
    """Only with those that are always installed: LiteLLM takes minutes and 730 MB to install."""
    for name in ("scripts", "codex_transform", "addon.py", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    command = adapt("python3 scripts/bench.py --peers", "--quick", "--rows", "small", "memory", "--json")
    small, memory = json.loads(run(command, tmp_path, tmp_path))["results"]
    assert set(small["medians"]) == set(memory["medians"]) == {"addon", "bare"}


@pytest.mark.gate
def test_the_benchmark_of_workers(tmp_path: Path) -> None:
    output = run(adapt("python3 scripts/bench.py --workers", "--quick", "--json"), tmp_path)
    assert all(set(row["medians"]) == {"1 worker", "2 workers"} for row in json.loads(output)["results"])


@pytest.mark.gate
def test_the_load(tmp_path: Path) -> None:
    """With fewer streams, because 500 take a minute. First a fifth of them is sent, then all."""
    output = run(adapt("python3 scripts/load.py", "--streams", "150", "--events", "20"), tmp_path)
    assert re.search(r"^ +30 +30 ", output, re.MULTILINE)
    assert re.search(r"^ +150 +150 ", output, re.MULTILINE)


@pytest.mark.skipif(sys.platform == "win32", reason="the proxy's memory is read with `ps`")
@pytest.mark.gate
def test_the_soak(tmp_path: Path) -> None:
    """With fewer requests, because 20,000 take minutes."""
    output = run(adapt("python3 scripts/soak.py", "--requests", "600"), tmp_path)
    assert re.search(r"^ +600 +570 +30 ", output, re.MULTILINE)


@pytest.mark.gate
def test_the_simulation_of_a_team(tmp_path: Path) -> None:
    """With little load: it runs, but its measurements mean little."""
    short = ("--streams", "20", "--events", "20", "--calls", "20")
    output = run(adapt("python3 scripts/simulate_team.py", *short), tmp_path)
    assert re.search(r"^ +2 +[\d.]+ ms", output, re.MULTILINE)
    assert re.search(r"^ *100,000 +75,000 +2,250,000 +5,000 ", output, re.MULTILINE)


def test_the_sandbox(tmp_path: Path) -> None:
    command = adapt(".venv/bin/python -m codex_transform.sandbox")
    sign = r"sandbox: http://127\.0\.0\.1:(\d+) key (\S+)"
    with serving(command, environment(tmp_path), ROOT, tmp_path, re.compile(sign)) as sandbox:
        key = sandbox.wait_for(sign)[2]
        client = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=30)
        client.request("POST", "/backend-api/codex/responses", "{}", {"authorization": f"Bearer {key}"})
        assert client.getresponse().status == 400
        client.close()
