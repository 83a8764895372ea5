"""Runs the tests: `python3 scripts/test.py`, with pytest's own arguments if you like (paths from the project's top).

What takes long is left to `-m gate`, unless you name it.
`--python 3.11` takes that Python instead of the newest, `--lowest` the lowest releases that pyproject.toml allows (the
oldest Python has them), with all that depends on mitmproxy's release where that is another one then; `--lint` checks
style, types and dependencies instead of running tests.
The end-to-end tests drive the real OpenCode, which is fetched through npm where npm is installed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

import environment

MOST_WORKERS = 12


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--python", default="", help="a version, such as 3.11")
    parser.add_argument("--lowest", action="store_true", help="the lowest releases of what the package needs")
    parser.add_argument("--lint", action="store_true", help="style and types only")
    options, rest = parser.parse_known_args()
    environment.enter("test", options.python, lowest=options.lowest)
    os.chdir(environment.ROOT)
    if options.lint:
        sys.exit(lint())
    get_programs()
    # Without bytecode, which images of Docker often switch off, each worker rewrites the assertions of all tests anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # A file's tests stay together: they share the programs that they drive. tests/conftest.py says which come first.
    spread = ["-n", str(workers()), "--dist", "loadfile", "--no-loadscope-reorder"]
    command = [sys.executable, "-m", "pytest", *spread, *rest]
    environment.replace_process(command if is_choice(rest) else [*command, *quick(lowest=options.lowest)])


def quick(*, lowest: bool) -> list[str]:
    """Return pytest's arguments for what is not left to the gate.

    With the lowest releases, what depends on mitmproxy's release is worth its time, unless this is the newest Python:
    then the other runs have the same mitmproxy, and what is driven end to end is left to them.
    """
    if lowest and environment.is_newest():
        return ["-m", "not gate", "--ignore", "tests/e2e"]
    return ["-m", "not gate or mitmproxy" if lowest else "not gate"]


def workers() -> int:
    """Return how many tests run at once: more than there are processors, because they spend much time waiting."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2 * processors, MOST_WORKERS)


def is_choice(arguments: list[str]) -> bool:
    """Return whether pytest's arguments choose tests, by a path or a marker: then none is left to the gate."""
    paths = (environment.ROOT / argument.partition("::")[0] for argument in arguments if not argument.startswith("-"))
    return "-m" in arguments or any(path.exists() for path in paths)


def lint() -> int:
    """Run ruff and mypy over everything, deptry and vulture over the package, and check the tables.

    Return the worst exit status.
    """
    checks = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["deptry", "."], ["vulture"])
    tables = [sys.executable, "scripts/docs_tables.py", "--check"]
    commands = [*([sys.executable, "-m", *check] for check in checks), tables]
    return max(subprocess.run(command, check=False).returncode for command in commands)


def get_programs() -> None:
    """Install what the end-to-end tests drive, if it can be had."""
    import programs

    for version in (programs.OPENCODE, programs.OLD_OPENCODE):
        if programs.install_opencode(version) is None:
            print(f"There is no OpenCode {version}: tests that need it are skipped, or fail where CI=true")
    if programs.install_opencode_2() is None:
        print("There is no preview of OpenCode 2: tests that need it are skipped, or fail where CI=true")


if __name__ == "__main__":
    main()
