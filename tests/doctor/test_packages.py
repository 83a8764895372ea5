"""What doctor says of the releases of the packages that the proxy runs with; mitmproxy's own requirements are real."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from codex_transform.doctor import packages
from codex_transform.doctor.result import DoctorContext, Result
from codex_transform.opencode.config import OpenCodeConfig
from codex_transform.settings.loader import load


def found(home: Path) -> list[Result]:
    client = OpenCodeConfig()
    context = DoctorContext({}, home, home, load({}, {}, home / "none.json", client), client, ())
    return list(packages.releases(context))


def install(folder: Path, name: str, version: str, *needs: str) -> None:
    """Put the metadata of a package into a folder of the search path."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    requires = "".join(f"Requires-Dist: {each}\n" for each in needs)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}")


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose packages are found before those that are really installed."""
    folder = tmp_path / "first"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def test_what_the_tests_run_with_fits(tmp_path: Path) -> None:
    (result,) = found(tmp_path)
    assert result.mark == "ok"
    assert int(result.message.split()[0]) > 20


def test_a_release_that_another_program_wanted(first: Path, tmp_path: Path) -> None:
    """As OpenAI's SDK replaces h11 beside the mitmproxy of Python 3.11."""
    install(first, "h11", "99.0")
    results = found(tmp_path)
    assert {result.mark for result in results} == {"warning"}
    (result,) = (each for each in results if each.message.startswith("mitmproxy "))
    assert "needs h11" in result.message
    assert result.message.endswith("and 99.0 is installed")
    assert result.fix.startswith("Run `")
    assert "environment of its own" in result.fix
    wanted = Requirement(result.fix.split('"')[1])
    assert wanted.name == "h11"
    assert not wanted.specifier.contains("99.0")


def test_what_a_package_needs_in_its_turn(first: Path, tmp_path: Path) -> None:
    install(
        first,
        "h11",
        "0.14.5",
        "No_Such.Package>=1; python_version >= '3'",
        "neither; extra == 'x'",
        "never; os_name == 'x'",
    )
    missing = [result.message for result in found(tmp_path) if "no-such-package" in result.message]
    assert missing == ["h11 0.14.5 needs no-such-package>=1, and it is not installed"]
    assert not [result for result in found(tmp_path) if "neither" in result.message or "never" in result.message]


def test_a_requirement_that_cannot_be_read_is_passed_over(first: Path, tmp_path: Path) -> None:
    """As old packages have them; the others are compared all the same."""
    install(first, "h11", "0.14.5", "odd (>=1.0.*)", "missing>=1")
    about_h11 = [result.message for result in found(tmp_path) if result.message.startswith("h11 ")]
    assert about_h11 == ["h11 0.14.5 needs missing>=1, and it is not installed"]


def test_a_version_that_cannot_be_read_does_not_fit(first: Path, tmp_path: Path) -> None:
    install(first, "h11", "0.14-my-fork")
    assert all(result.message.endswith("and 0.14-my-fork is installed") for result in found(tmp_path))
