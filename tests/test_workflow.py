"""The GitHub workflow, which cannot run here, runs what the README says and nothing else."""

import environment
from ruamel.yaml import YAML
from support.readme import ENGLISH, ROOT

_JOB = YAML(typ="safe").load((ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8"))["jobs"]["test"]
_MATRIX = _JOB["strategy"]["matrix"]


def test_it_runs_the_readmes_commands() -> None:
    lines = [step["run"] for step in _JOB["steps"] if "run" in step]
    # On Windows there is no python3.
    told = {line.replace("python3 ", "python ") for line in ENGLISH.commands()}
    assert lines
    for line in lines:
        command, _, options = line.partition(" --python ")
        assert command in told
        assert options in ("", "${{ matrix.python }}")


def test_it_runs_on_three_systems_and_on_the_oldest_and_the_newest_python() -> None:
    assert [name.partition("-")[0] for name in _MATRIX["os"]] == ["ubuntu", "macos", "windows"]
    oldest, newest = (tuple(map(int, version.split("."))) for version in _MATRIX["python"])
    assert oldest == (3, environment.OLDEST)
    assert oldest < newest <= (3, environment.NEWEST)
