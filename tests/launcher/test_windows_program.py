import re
import shutil
import sys
from pathlib import Path

import pytest

from codex_transform.launcher import windows_program

# As npm's cmd-shim writes it.
NPM = """@ECHO off\r
GOTO start\r
:find_dp0\r
SET dp0=%~dp0\r
EXIT /b\r
:start\r
SETLOCAL\r
CALL :find_dp0\r
\r
IF EXIST "%dp0%\\node.exe" (\r
  SET "_prog=%dp0%\\node.exe"\r
) ELSE (\r
  SET "_prog=node"\r
  SET PATHEXT=%PATHEXT:;.JS;=;%\r
)\r
\r
endLocal & goto #_undefined_# 2>NUL || title %COMSPEC% & "%_prog%"  \
"%dp0%\\node_modules\\opencode-ai\\bin\\opencode" %*\r
"""
NATIVE = """@ECHO off\r
SETLOCAL\r
CALL :find_dp0\r
"%dp0%\\node_modules\\opencode-ai\\bin\\opencode.exe"   %*\r
"""
PROMPT = 'say "50%" & go'


def shim(folder: Path, text: str, target: str) -> Path:
    program = folder / "node_modules" / "opencode-ai" / "bin" / target
    program.parent.mkdir(parents=True)
    program.touch()
    path = folder / "opencode.cmd"
    path.write_bytes(text.encode())
    return path


def test_the_script_behind_npms_batch_file_gets_the_arguments_unchanged(tmp_path: Path) -> None:
    path = shim(tmp_path, NPM, "opencode")
    (tmp_path / "node.exe").touch()
    target = tmp_path / "node_modules" / "opencode-ai" / "bin" / "opencode"
    found = windows_program.command_line(str(path), [PROMPT, "a\nb"], {}, "nt")
    assert found == [str(tmp_path / "node.exe"), str(target), PROMPT, "a\nb"]


@pytest.mark.skipif(sys.platform == "win32", reason="the copied program has no .exe in its name")
def test_node_is_found_on_the_path(tmp_path: Path) -> None:
    path = shim(tmp_path, NPM.replace('"%_prog%" ', '"%_prog%" --no-warnings '), "opencode")
    folder = tmp_path / "bin"
    folder.mkdir()
    shutil.copy(sys.executable, folder / "node")
    found = windows_program.behind_shim(path, {"PATH": str(folder)})
    assert found is not None
    assert found[:2] == [str(folder / "node"), "--no-warnings"]


def test_a_native_program_behind_a_batch_file_is_started_directly(tmp_path: Path) -> None:
    path = shim(tmp_path, NATIVE, "opencode.exe")
    target = tmp_path / "node_modules" / "opencode-ai" / "bin" / "opencode.exe"
    assert windows_program.command_line(str(path), ["x"], {}, "nt") == [str(target), "x"]


@pytest.mark.parametrize(
    ("argument", "quoted"),
    [
        ("plain", '"plain"'),
        ("", '""'),
        ("a b\\", '"a b\\\\"'),
        ('say "hi"', '"say ""hi"""'),
        ('\\"', '"\\\\"""'),
        ("50% of %PATH%", '"50%%cd:~,% of %%cd:~,%PATH%%cd:~,%"'),
        ("a & b | c ^ d!", '"a & b | c ^ d!"'),
    ],
)
def test_arguments_for_other_batch_files_are_quoted(argument: str, quoted: str, tmp_path: Path) -> None:
    path = tmp_path / "own.cmd"
    path.write_text("@echo %*\n")
    found = windows_program.command_line(str(path), [argument], {"COMSPEC": "C:\\cmd.exe"}, "nt")
    assert found == f'"C:\\cmd.exe" /d /e:ON /v:OFF /c ""{path}" {quoted}"'


def test_a_line_break_for_a_batch_file_is_refused_with_a_fix(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.compile("line breaks.*Fix: ")):
        windows_program.command_line(str(tmp_path / "own.bat"), ["a\nb"], {}, "nt")


def test_other_programs_and_systems_are_left_alone() -> None:
    assert windows_program.command_line("/bin/x.cmd", ["%"], {}, "posix") == ["/bin/x.cmd", "%"]
    assert windows_program.command_line("C:\\x.exe", ["%"], {}, "nt") == ["C:\\x.exe", "%"]
