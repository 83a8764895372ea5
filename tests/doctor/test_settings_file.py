"""What doctor says of settings that cannot be used: what is wrong, and as a sentence of its own, what to do."""

from pathlib import Path

import pytest

from codex_transform.doctor import settings_file
from codex_transform.doctor.result import DoctorContext, Result
from codex_transform.opencode.config import OpenCodeConfig
from codex_transform.settings.loader import load


@pytest.mark.parametrize(
    ("name", "value", "finding", "fix"),
    [
        (
            "CODEX_BASE_URL",
            "http://h:port",
            "CODEX_BASE_URL: not a URL (Port could not be cast to integer value as 'port')",
            "Write https://your-codex-api.com.",
        ),
        ("CODEX_HEAL", "maybe", "CODEX_HEAL: must be on or off", "Write 1 or 0, true or false, yes or no."),
        ("CODEX_RETRIES", "9", "CODEX_RETRIES: must be a whole number of retries from 0 to 3", "Fix CODEX_RETRIES."),
    ],
)
def test_the_fix_of_a_setting(name: str, value: str, finding: str, fix: str, tmp_path: Path) -> None:
    option = name.lower()
    context = _context(tmp_path, {name: value})
    (result,) = (each for each in settings_file.values(context) if each.name == option)
    assert result == Result("fault", option, finding, fix)


def test_the_fix_of_an_entry_of_the_list_of_endpoints(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"endpoints": [{"name": "a", "baseURL": "h", "apiKey": "sk-1"}]}')
    file.chmod(0o600)
    (result,) = (each for each in settings_file.values(_context(tmp_path, {})) if each.mark == "fault")
    assert result.message == f"endpoints in {file}: entry 0, baseURL: the scheme is missing"
    assert result.fix == "Write https://your-codex-api.com."


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"CODEX_API_KEY": "sk-1"}, "all at their defaults"),
        ({"CODEX_MODE": "0", "CODEX_RETRIES": "2"}, "codex_mode from CODEX_MODE, codex_retries from CODEX_RETRIES"),
        ({"CODEX_MODE": "0", "CODEX_RETRIES": "9"}, "codex_mode from CODEX_MODE"),
    ],
)
def test_where_settings_that_are_not_the_default_come_from(
    environ: dict[str, str], message: str, tmp_path: Path
) -> None:
    (result,) = (each for each in settings_file.values(_context(tmp_path, environ)) if each.name == "other settings")
    assert result == Result("ok", "other settings", message)


def test_they_are_not_called_defaults_if_one_of_them_cannot_be_used(tmp_path: Path) -> None:
    results = settings_file.values(_context(tmp_path, {"CODEX_RETRIES": "9"}))
    assert [result.name for result in results] == ["codex_retries"]


def _context(folder: Path, environ: dict[str, str]) -> DoctorContext:
    client = OpenCodeConfig()
    return DoctorContext({}, folder, folder, load({}, environ, folder / "config.json", client), client, ())
