"""`start`: mitmproxy's own options, as read before mitmproxy runs."""

from pathlib import Path

import pytest
from support.commands import Person

from codex_transform.cli.start import usage_text
from codex_transform.settings.mitmproxy_arguments import set_options


@pytest.mark.parametrize("option", ["-p", "--listen-port"])
def test_a_port_among_mitmproxys_options_is_refused(person: Person, option: str) -> None:
    done = person.run("start", "--", option, "9999", CODEX_BASE_URL="https://h.example", CODEX_API_KEY="sk-0123456789")
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert "HTTPS_PROXY" not in done.stdout


def test_set_options_are_read_in_both_spellings() -> None:
    arguments = ["--set", "codex_mode=false", "--set=confdir=/ca", "-v", "--set", "no_value"]
    assert set_options(arguments) == {"codex_mode": "false", "confdir": "/ca"}


def test_the_printed_lines_fit_a_terminal() -> None:
    assert max(map(len, usage_text(8080, Path("/ca")).splitlines())) <= 80
