"""Which package may import which: imports never point upward, and libraries are used only where they belong."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_transform.proxy.patches import PATCHES

PACKAGE = Path(__file__).resolve().parents[1] / "codex_transform"

# From the bottom up: a package may import packages of lower lines, and those to its left in its own line.
LAYERS = (
    (
        "errors",
        "jsonio",
        "redaction",
        "text",
        "fsutil",
        "sqlite",
        "paths",
        "concurrency",
        "console",
        "shells",
        "signals",
        "zstd",
        "decoding",
        "requirements",
        "net",
        "table",
        "values",
        "codex_transform",
    ),
    ("catalog", "jsonc", "endpoint"),
    ("opencode", "instructions", "settings", "clients", "people"),
    ("request", "response"),
    ("attempts", "usage", "inspect", "probe", "state", "status", "websocket"),
    ("proxy", "launcher", "doctor"),
    ("cli",),
    ("__main__",),
)
RANK = {name: (line, place) for line, names in enumerate(LAYERS) for place, name in enumerate(names)}

# The sandbox is not part of this order, because it is an endpoint.
BESIDE = {"sandbox": {"errors", "jsonio", "redaction", "console", "signals", "zstd", "catalog"}}

FILES = sorted(PACKAGE.rglob("*.py"))

# Private names of mitmproxy and h11, wherever they appear in a dotted name.
_PRIVATE = re.compile(r"(^|\.)_(?!_)\w")


def package_of(file: Path) -> str:
    """The first part of a module's name below the package."""
    first = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "codex_transform" if first == "__init__" else first


def imports(file: Path) -> Iterator[str]:
    """The dotted names that a module imports, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(file: Path) -> set[str]:
    """The packages of this project that a module imports, without its own."""
    found = set()
    for name in imports(file):
        if name.startswith("codex_transform."):
            second = name.split(".")[1]
            found.add(second if second in RANK or second in BESIDE else "codex_transform")
    return found - {package_of(file)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_import_points_upward(file: Path) -> None:
    package = package_of(file)
    if package in BESIDE:
        assert own_imports(file) <= BESIDE[package] | {"codex_transform"}
        return
    line, place = RANK[package]
    for imported in own_imports(file):
        assert imported in RANK, f"{imported} may not be imported here"
        other, column = RANK[imported]
        leaves = other == line == 0
        assert other < line or leaves or (other == line and column < place), f"{package} imports {imported}"


def test_packages_do_not_import_each_other_in_a_circle() -> None:
    unsorted = {package_of(file): set[str]() for file in FILES}
    for file in FILES:
        unsorted[package_of(file)] |= own_imports(file)
    del unsorted["codex_transform"]
    while unsorted:
        free = [package for package, others in unsorted.items() if not others & unsorted.keys()]
        assert free, f"a circle among {sorted(unsorted)}"
        for package in free:
            del unsorted[package]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_libraries_are_imported_where_they_belong(file: Path) -> None:
    roots = {name.partition(".")[0] for name in imports(file)}
    if package_of(file) != "proxy":
        assert "mitmproxy" not in roots
    if package_of(file) not in ("proxy", "sandbox"):
        assert "h11" not in roots
    if package_of(file) not in ("cli", "launcher"):
        assert "click" not in roots


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_private_names_are_used_only_in_patches_and_layers(file: Path) -> None:
    if file.parent.name in ("patches", "layers"):
        return
    others = [name for name in imports(file) if name.partition(".")[0] in ("mitmproxy", "h11")]
    assert not [name for name in others if _PRIVATE.search(name)]
    text = file.read_text("utf-8")
    private = {name.rpartition(".")[2] for patch in PATCHES for name in patch.needs if "._" in name}
    for name in private - {"_handle_event"}:
        assert not re.search(rf"\b{re.escape(name)}\b", text), f"{name} is mitmproxy's own"
