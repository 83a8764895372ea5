"""What docs/team.md has beside HAProxy: the unit is one that systemd takes, the image holds what it needs
and starts. The engines themselves are asked where they are to be had."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest
from support.needed import skip_or_fail
from support.running import ROOT, serving
from support.team import CONFIG, FOLDER, UNIT, WORKERS, haproxy, settings_of

from codex_transform.sandbox import Sandbox
from codex_transform.settings.options import OPTIONS

pytestmark = pytest.mark.gate

DOCKERFILE = FOLDER / "Dockerfile"


def test_systemd_takes_the_unit_and_finds_it_confined(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze") or skip_or_fail("systemd-analyze is not there: apt install systemd")
    # It looks for the program, which is installed elsewhere here.
    unit = tmp_path / "codex-transform@1.service"
    unit.write_text(UNIT.read_text("utf-8").replace("/opt/codex-transform/bin/codex-transform", sys.executable))
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=20", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout[-300:]


def test_the_unit_and_haproxy_mean_the_same_ports() -> None:
    command, variables = settings_of(UNIT)
    assert {option.environ for option in OPTIONS} >= {name for name in variables if name.startswith("CODEX_")}
    config = CONFIG.read_text("utf-8")
    for number in WORKERS:
        for port in (f"808{number}", f"818{number}", f"910{number}"):
            assert port in " ".join([*command, *variables.values()]).replace("%i", str(number))
            assert re.search(rf"server worker{number} .*\b{port}\b", config)
    patience = int(re.findall(r"TimeoutStopSec=(\d+)", UNIT.read_text("utf-8"))[0])
    assert patience > int(variables["CODEX_DRAIN_TIMEOUT"])


def test_haproxy_takes_the_configuration_as_it_stands() -> None:
    done = subprocess.run([haproxy(), "-c", "-f", CONFIG], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr


def test_the_image_has_what_it_needs_and_starts(tmp_path: Path, sandbox: Sandbox) -> None:
    lines = DOCKERFILE.read_text("utf-8").replace("\\\n", " ").splitlines()
    source, installed = tmp_path / "src", tmp_path / "installed"
    for copy in (line.split()[1:] for line in lines if line.startswith("COPY ")):
        for name in copy[:-1]:
            target = Path(copy[-1].replace("/src", str(source)))
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target)
            else:
                target.mkdir(exist_ok=True)
                shutil.copy(ROOT / name, target)
    # As the image's pip does, but for what the package needs, which is there, and so is what builds it.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*pip, "--target", installed, source], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    (command,) = (json.loads(line.removeprefix("CMD ")) for line in lines if line.startswith("CMD "))
    told = dict(re.findall(r"\b(CODEX_[A-Z_]+)=(\S+)", "\n".join(lines)))
    assert told.pop("CODEX_ADMIN_LISTEN") == "0.0.0.0:9100"
    home = tmp_path / "home"
    home.mkdir()
    variables = {
        "PATH": f"{installed / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(installed),
        "HOME": str(home),
        "CODEX_BASE_URL": sandbox.url,
        "CODEX_API_KEY": sandbox.key,
        "CODEX_CATALOG_URL": "http://127.0.0.1:9/none",
        "CODEX_ADMIN_LISTEN": "0",
        **{**told, "CODEX_LOG_FORMAT": "text"},
    }
    own_port = [part.replace("start --", "start --port 0 --") for part in command]
    sign = re.compile(r"listening at \S+:(\d+)")
    with serving(own_port, variables, home, home, sign) as proxy:
        admin = int(proxy.wait_for(r"admin listener at http://127\.0\.0\.1:(\d+)")[1])
        client = HTTPConnection("127.0.0.1", admin, timeout=30)
        client.request("GET", "/readyz")
        assert client.getresponse().status == 200
        proxy.process.send_signal(signal.SIGTERM)
        assert proxy.process.wait(30) == 0


def test_the_image_is_built_where_docker_runs() -> None:
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "info"], capture_output=True, check=False, timeout=60).returncode:
        pytest.skip("no Docker runs here")
    build = [docker, "build", "--quiet", "-f", str(DOCKERFILE), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
