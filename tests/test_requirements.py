"""What has to be installed, and what is said where it is not."""

import re
import shlex
import sys
import tomllib

import pytest
from support.running import ROOT

from codex_transform import requirements
from codex_transform.requirements import unmet, untested

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
GOOD = {"mitmproxy": "11.0.2", "pydantic": "2.9.0"}


def test_the_bounds_are_those_of_pyproject() -> None:
    declared = {re.split("[<>=]", each)[0]: each for each in PROJECT["dependencies"]}
    for name, (lowest, too_new) in requirements.BOUNDS.items():
        assert declared[name] == f"{name}>={lowest},<{too_new}"
    assert PROJECT["requires-python"] == ">=" + ".".join(map(str, requirements.PYTHON))


def test_what_the_tests_run_with_will_do() -> None:
    versions = requirements.installed()
    assert versions.keys() == GOOD.keys()
    assert unmet(versions) is None
    assert untested(versions) is None


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("mitmproxy", "9.0.1"),
        ("mitmproxy", "10.4.2"),
        ("mitmproxy", "11.0.1"),
        ("mitmproxy", "13.0.0"),
        ("mitmproxy", "13.0.0.dev0"),
        ("pydantic", "1.10.27"),
        ("pydantic", "3.0a1"),
        ("pydantic", None),
    ],
)
def test_a_package_that_will_not_do(name: str, version: str | None) -> None:
    says = unmet({**GOOD, name: version})
    assert says
    assert "\n" not in says
    assert f"needs {name} " in says
    assert (version or "has none") in says
    command = shlex.split(says.partition("Fix: ")[2])
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert command[4] == "{}>={},<{}".format(name, *requirements.BOUNDS[name])


def test_an_old_python() -> None:
    says = unmet(GOOD, (3, 10, 13))
    assert says
    assert "needs Python 3.11 or newer" in says
    assert "3.10.13" in says


@pytest.mark.parametrize(("version", "warns"), [("12.3.9", False), ("12.4.0", True), ("12.10.0", True)])
def test_a_newer_minor_release_is_a_warning(version: str, warns: bool) -> None:
    versions = {**GOOD, "mitmproxy": version}
    assert unmet(versions) is None
    assert (version in (untested(versions) or "")) == warns
