"""Parses README and docs/ in two languages for tests: blocks, tables, sections."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Section(NamedTuple):
    """The content under one heading; its text does not include the blocks."""

    level: int
    heading: str
    text: str


class Readme:
    """Several pages, in order."""

    def __init__(self, *files: str) -> None:
        self.name = files[0]
        self.files = [ROOT / file for file in files]
        self.text = "\n".join(file.read_text("utf-8") for file in self.files)
        self.prose = _FENCE.sub("", self.text)

    def __repr__(self) -> str:
        return self.name

    def blocks(self, language: str) -> list[str]:
        """Return the fenced blocks of this language; "" is for those that name none."""
        return [text for name, text in _FENCE.findall(self.text) if name == language]

    def sections(self) -> list[Section]:
        """Return the sections in the order of their headings."""
        pieces = re.split(r"^(#+) (.+)\n", self.prose, flags=re.MULTILINE)[1:]
        return [Section(len(marks), heading, text) for marks, heading, text in _in_threes(pieces)]

    def tables(self) -> list[list[list[str]]]:
        """Return the cells of each table, its header row first."""
        tables = re.findall(r"^((?:\|.*\n)+)", self.prose, re.MULTILINE)
        return [
            [_cells(line) for line in table.splitlines() if not re.fullmatch(r"\|[-|]+\|", line)] for table in tables
        ]

    def table(self, first: str) -> list[list[str]]:
        """Return the rows, without the header, of the table whose header begins with this cell."""
        (found,) = (table[1:] for table in self.tables() if table[1][0] == first)
        return found

    def commands(self) -> list[str]:
        """Return the lines of the shell blocks, and the commands that an agent is told to run."""
        return [*(line for block in self.blocks("sh") for line in block.splitlines()), *self.agent_commands()]

    def agent_commands(self) -> list[str]:
        """Return the commands in the text for agents: its indented lines."""
        return [line.strip() for text in self.blocks("text") for line in text.splitlines() if line.startswith(" " * 5)]

    def links(self) -> list[tuple[Path, str]]:
        """Return the targets of links and images, each with its page."""
        return [(file, target) for file in self.files for target in re.findall(r"\]\(([^)]+)\)", _prose(file))]


def quoted(text: str) -> list[str]:
    """Return the texts in backticks."""
    return re.findall("`([^`]+)`", text)


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _in_threes(pieces: list[str]) -> list[tuple[str, str, str]]:
    return list(zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def headings(file: Path) -> set[str]:
    """Return the anchors of a page."""
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", _prose(file), re.MULTILINE)}


def _prose(file: Path) -> str:
    return _FENCE.sub("", file.read_text("utf-8"))


_PAGES = (
    "install",
    "configuration",
    "models",
    "how-it-works",
    "inspecting",
    "troubleshooting",
    "security",
    "clients",
    "operating",
    "performance",
    "team",
    "migrating",
)

ENGLISH = Readme("README.md", *(f"docs/{page}.md" for page in _PAGES), "AGENTS.md")
CHINESE = Readme("README.zh.md", *(f"docs/zh/{page}.md" for page in _PAGES), "docs/zh/agents.md")
BOTH = (ENGLISH, CHINESE)

TROUBLESHOOTING = Readme("docs/troubleshooting.md")
ARCHITECTURE = Readme("docs/development/ARCHITECTURE.md")
CHANGELOG = Readme("CHANGELOG.md")
ALL = (*BOTH, ARCHITECTURE, CHANGELOG)

# -- how each command is tested ---------------------------------------------------------------------------------------

SERVERS = [
    "codex-transform start",
    "codex-transform start --web",
    "CODEX_ADMIN_LISTEN=9100 codex-transform start",
    "CODEX_LOG_FORMAT=json codex-transform start",
    "CODEX_STATE=disk codex-transform start",
    "CODEX_STATE=redis://:PASSWORD@127.0.0.1:6379/0 codex-transform start",
    "codex-transform start -- --mode reverse:https://your-codex-api.com",
    'mitmdump -s "$(codex-transform addon-path)" --listen-host 127.0.0.1',
    "python3 scripts/start.py",
]
"""These serve until Ctrl-C."""

BY_CLI = ["codex-transform run opencode"]
"""cli/test_opencode.py types at its screen."""

SCREENS = [
    "codex-transform run --web opencode",
    "CODEX_BASE_URL=http://127.0.0.1:PORT CODEX_API_KEY=KEY codex-transform run opencode",
]
"""These show OpenCode's own screen, too."""

QUESTIONS = [
    "codex-transform login",
    "codex-transform config",
    "codex-transform config --reverse http://127.0.0.1:8080/v1",
    "codex-transform config --uninstall",
    "codex-transform config --uninstall --reverse http://127.0.0.1:8080/v1",
]
"""These ask questions."""

ENDING = [
    "codex-transform login --base-url https://your-codex-api.com --api-key-stdin < key.txt",
    'codex-transform run opencode run -m openai/gpt-5.3-codex "say hello"',
    'codex-transform run opencode run -m openai/gpt-5.3-codex --variant high "say hello"',
    "codex-transform run opencode models openai",
    "codex-transform config --yes",
    "codex-transform doctor",
    "codex-transform models gpt-5-codex-high",
    "codex-transform usage",
    "codex-transform clients add alice",
    "codex-transform clients add bob --models gpt-5.3-codex --requests-per-minute 30 --tokens-per-day 2000000",
    "codex-transform clients limit bob --tokens-per-month 20000000 --models none",
    "codex-transform clients list",
    "codex-transform usage --by client",
    "codex-transform clients rotate alice",
    "codex-transform clients remove bob",
    "codex-transform whoami",
    "codex-transform logout",
    "codex-transform --version",
    "opencode --version",
    "python3 --version",
]
"""These end by themselves; they can be run in this order."""

INSTALLS = [
    "pipx install .",
    "pipx install --include-deps .",
    "uv tool install .",
    "uv tool install --with-executables-from mitmproxy .",
    "pip install .",
]

REMOVES = "pipx uninstall codex-transform"

PATHS = ["pipx ensurepath", "uv tool update-shell"]
"""These put the folder with installed programs on the PATH."""

IN_THE_GATE = [
    "python3 scripts/test.py",
    "python3 scripts/test.py --lint",
    "python3 scripts/test.py -m gate",
    "python3 scripts/test.py --python 3.11 --lowest",
    "python3 scripts/fresh_install.py",
]
"""These would run this test itself, or take long: the gate runs them."""

BY_FRESH_INSTALL = ["pip install mitmproxy pydantic", "mitmdump -s addon.py --listen-host 127.0.0.1"]
"""scripts/fresh_install.py does what these do, in bare environments."""

SCRIPTS = [
    "python3 scripts/demo.py",
    "python3 scripts/test.py tests/request -k bridge",
    "python3 scripts/bench.py --quick",
    "python3 scripts/bench.py --peers",
    "python3 scripts/bench.py --workers",
    "python3 scripts/load.py",
    "python3 scripts/soak.py",
    "python3 scripts/simulate_team.py",
    ".venv/bin/python -m codex_transform.sandbox",
]
"""Each has its own test in test_readme_scripts.py."""


TEAM = [
    "apt install haproxy python3-venv",
    "useradd --system --home-dir /var/lib/codex-transform codex-transform",
    "python3 -m venv /opt/codex-transform",
    "/opt/codex-transform/bin/pip install .",
    "install -D -m 600 docs/team/team.env /etc/codex-transform/team.env",
    "install -m 644 docs/team/codex-transform@.service /etc/systemd/system/",
    "install -m 644 docs/team/haproxy.cfg /etc/haproxy/haproxy.cfg",
    "systemctl enable --now codex-transform@1 codex-transform@2 codex-transform@3 codex-transform@4",
    "runuser -u codex-transform -- env HOME=/var/lib/codex-transform "
    "/opt/codex-transform/bin/codex-transform clients add alice",
    "systemctl restart haproxy",
    "systemctl restart codex-transform@1",
    "docker build -f docs/team/Dockerfile -t codex-transform .",
    "docker run --env-file docs/team/team.env -e CODEX_TRUSTED_PROXIES=10.0.0.5 -p 8080:8080 -p 9100:9100 "
    "codex-transform",
]
"""These are for a team's server: e2e/gate/test_team.py runs what they install, test_team_files.py the image."""


def terminal() -> str:
    """Return the block for OpenCode's terminal, which is run as a whole."""
    (block,) = (block for block in ENGLISH.blocks("sh") if "export" in block)
    return block
