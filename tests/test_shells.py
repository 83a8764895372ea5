import shutil
import subprocess

import pytest

from codex_transform.shells import Shell, assignment, local_assignment


@pytest.mark.parametrize(
    ("shell", "value", "line"),
    [
        ("sh", "http://127.0.0.1:1", "export V=http://127.0.0.1:1"),
        ("sh", "/a b/it's", "export V='/a b/it'\"'\"'s'"),
        ("fish", "http://127.0.0.1:1", "set -gx V http://127.0.0.1:1"),
        ("fish", "/a b/it's\\", r"set -gx V '/a b/it\'s\\'"),
        ("PowerShell", "C:\\a b\\c", '$env:V = "C:\\a b\\c"'),
        ("PowerShell", "a$b'c", "$env:V = 'a$b''c'"),
        ("cmd.exe", "C:\\a & b\\c", 'set "V=C:\\a & b\\c"'),
    ],
)
def test_an_assignment_in_each_shell(shell: Shell, value: str, line: str) -> None:
    assert assignment(shell, "V", value) == line


@pytest.mark.skipif(shutil.which("sh") is None, reason="sh is not installed")
@pytest.mark.parametrize("value", ["plain", "a b", "it's", '$HOME `id` "x"', "back\\slash"])
def test_sh_reads_the_value_back(value: str) -> None:
    script = f'{assignment("sh", "V", value)}\nprintf %s "$V"'
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == value


def test_assignments_for_the_shells_of_each_system() -> None:
    assert local_assignment("V", "1", "posix") == "`export V=1`"
    assert local_assignment("V", "1", "nt") == '`$env:V = "1"` (in cmd.exe `set "V=1"`)'
