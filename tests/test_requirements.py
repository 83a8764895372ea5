"""Required packages and Python, and the messages if they are missing or too old."""

import re
import shlex
import sys
import tomllib

import pytest
from support.running import ROOT

from codex_transform import requirements
from codex_transform.requirements import unmet, untested

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SUPPORTED = {"mitmproxy": "11.0.2", "pydantic": "2.9.0"}


def test_the_bounds_are_those_of_pyproject() -> None:
    declared = {re.split("[<>=]", each)[0]: each for each in PROJECT["dependencies"]}
    for name, (lowest, too_new) in requirements.BOUNDS.items():
        assert declared[name] == f"{name}>={lowest},<{too_new}"
    assert PROJECT["requires-python"] == ">=" + ".".join(map(str, requirements.PYTHON))


def test_the_installed_packages_are_supported() -> None:
    versions = requirements.installed()
    assert versions.keys() == SUPPORTED.keys()
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
def test_an_unsupported_package_is_named_with_the_command_to_install_it(name: str, version: str | None) -> None:
    message = unmet({**SUPPORTED, name: version})
    assert message
    assert "\n" not in message
    assert f"needs {name} " in message
    assert (version or "has none") in message
    command = shlex.split(message.partition("Fix: run `")[2].removesuffix("`"))
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert command[4] == "{}>={},<{}".format(name, *requirements.BOUNDS[name])


def test_an_old_python_is_unsupported() -> None:
    message = unmet(SUPPORTED, (3, 10, 13))
    assert message
    assert "needs Python 3.11 or newer" in message
    assert "3.10.13" in message


@pytest.mark.parametrize(("version", "warns"), [("12.3.9", False), ("12.4.0", True), ("12.10.0", True)])
def test_a_newer_minor_release_is_a_warning(version: str, warns: bool) -> None:
    versions = {**SUPPORTED, "mitmproxy": version}
    assert unmet(versions) is None
    assert (version in (untested(versions) or "")) == warns
