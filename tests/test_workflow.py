"""The GitHub workflow, which cannot run here, runs only commands of the pages."""

import environment
from ruamel.yaml import YAML
from support.readme import ENGLISH, ROOT

_JOB = YAML(typ="safe").load((ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8"))["jobs"]["test"]
_MATRIX = _JOB["strategy"]["matrix"]


def test_the_workflow_runs_the_pages_commands() -> None:
    lines = [step["run"] for step in _JOB["steps"] if "run" in step]
    # On Windows there is no python3.
    documented = {line.replace("python3 ", "python ") for line in ENGLISH.commands()}
    assert lines
    for line in lines:
        command, _, options = line.partition(" --python ")
        assert command in documented
        assert options in ("", "${{ matrix.python }}")


def test_the_workflow_covers_three_systems_and_the_oldest_and_newest_python() -> None:
    assert [name.partition("-")[0] for name in _MATRIX["os"]] == ["ubuntu", "macos", "windows"]
    oldest, newest = (tuple(map(int, version.split("."))) for version in _MATRIX["python"])
    assert oldest == (3, environment.OLDEST_MINOR)
    assert oldest < newest <= (3, environment.NEWEST_MINOR)
