"""`start`: what is said of mitmproxy's own options before mitmproxy runs."""

from pathlib import Path

import pytest
from support.commands import Person

from codex_transform.cli.start import set_options, usage_text


@pytest.mark.parametrize("option", ["-p", "--listen-port"])
def test_the_port_has_an_option_of_its_own(person: Person, option: str) -> None:
    done = person.run("start", "--", option, "9999", CODEX_BASE_URL="https://h.example", CODEX_API_KEY="sk-0123456789")
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert "HTTPS_PROXY" not in done.stdout


def test_options_are_set_in_both_spellings() -> None:
    arguments = ["--set", "codex_mode=false", "--set=confdir=/ca", "-v", "--set", "no_value"]
    assert set_options(arguments) == {"codex_mode": "false", "confdir": "/ca"}


def test_what_it_says_fits_a_terminal() -> None:
    assert max(map(len, usage_text(8080, Path("/ca")).splitlines())) <= 80
