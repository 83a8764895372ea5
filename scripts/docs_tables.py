"""Writes the tables of models and options into docs/, in both languages, from the code that they describe.

`--check` changes nothing and fails if a page is not current. On Chinese pages, the descriptions of options are
translated by hand and kept; that of a new option stays in English until somebody translates it.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

import environment

Rows = list[list[str]]

_TABLE = re.compile(r"(<!-- (\w+): written by scripts/docs_tables\.py -->\n\|.*\n\|.*\n)((?:\|.*\n)*)")
_ZH = {"required": "必填", "none": "无", "on": "开", "off": "关", "yes": "有"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail if a table is not current")
    options = parser.parse_args()
    environment.enter("test")
    stale = [page for page in pages() if not is_current(page, write=not options.check)]
    if stale and options.check:
        names = ", ".join(str(page.relative_to(environment.ROOT)) for page in stale)
        sys.exit(f"The tables in {names} are not current. Fix: run `python3 scripts/docs_tables.py`")


def pages() -> list[Path]:
    """Return the pages with tables, in both languages."""
    docs = environment.ROOT / "docs"
    return [folder / name for folder in (docs, docs / "zh") for name in ("models.md", "configuration.md")]


def is_current(page: Path, *, write: bool) -> bool:
    """Return whether the tables of a page agree with the code; with `write`, correct those that do not."""
    text = page.read_text("utf-8")
    new = render(text, chinese=page.parent.name == "zh")
    if write and new != text:
        page.write_text(new, "utf-8")
    return new == text


def render(text: str, *, chinese: bool) -> str:
    """Return the text of a page with current tables. Raises KeyError for an unknown table name."""

    def table(match: re.Match[str]) -> str:
        rows = TABLES[match[2]](match[3].splitlines() if chinese else None)
        return match[1] + "".join(f"| {' | '.join(row)} |\n" for row in rows)

    return _TABLE.sub(table, text)


def models(old: list[str] | None) -> Rows:
    """Return the slug, efforts, default effort and verbosity of each model that is no alias."""
    from codex_transform import catalog

    def verbosity(model: catalog.Model) -> str:
        text = model.default_verbosity or "yes" if model.supports_verbosity else "-"
        return _ZH.get(text, text) if old is not None and text == "yes" else text

    return [
        [f"`{model.slug}`", " ".join(model.efforts), model.default_effort, verbosity(model)]
        for model in catalog.models()
        if model.slug not in catalog.aliases()
    ]


def aliases(_old: list[str] | None) -> Rows:
    """Return each alias and the model that is sent in its place."""
    from codex_transform import catalog

    return [[f"`{name}`", f"`{slug}`"] for name, slug in catalog.aliases().items()]


def options(old: list[str] | None) -> Rows:
    """Return the names, the default and the description of each option."""
    from codex_transform.settings.options import OPTIONS, Option

    descriptions = {line.split("|")[1].strip(): line.rstrip("| ").rpartition("| ")[2] for line in old or ()}

    def default(option: Option) -> str:
        value = option.default
        if value in (None, ()):
            text = "required" if option.field in ("base_url", "api_key") else "none"
        elif isinstance(value, bool):
            text = "on" if value else "off"
        else:
            return f"`{', '.join(value) if isinstance(value, tuple) else value}`"
        return text if old is None else _ZH[text]

    return [
        [
            f"`{option.option}`",
            f"`{option.environ}`",
            f"`{option.key}`",
            default(option),
            descriptions.get(f"`{option.option}`", option.help),
        ]
        for option in OPTIONS
    ]


# Each takes the rows that a Chinese page has now; None for an English page.
TABLES: dict[str, Callable[[list[str] | None], Rows]] = {"models": models, "aliases": aliases, "options": options}


if __name__ == "__main__":
    main()
