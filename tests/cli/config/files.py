"""OpenCode's configuration files, for the tests of `codex-transform config`."""

from pathlib import Path
from typing import Any

from support.commands import Person

from codex_transform.jsonc import parser

SECRET = "sk-of-another-provider-0123456789"

COMMENTED = f"""\
{{
  // My settings. Do not touch.
  "theme": "dark",
  "provider": {{
    "other": {{"options": {{"apiKey": "{SECRET}"}}}},
    "openai": {{
      "models": {{
        "gpt-5.2": {{
          "name": "Mine", /* mine */
          "options": {{"reasoningEffort": "high"}},
        }},
        "mine": {{}}, // untouched
      }},
    }},
  }},
}}
"""


WITH_PLUGIN = """\
{
  "$schema": "https://opencode.ai/config.json",
  "plugin": ["opencode-openai-codex-key@4.4.0", "another"],
  "provider": {
    "openai": {
      "options": {
        "reasoningEffort": "medium",
        "store": false
      },
      "models": {
        "gpt-5.2-codex-high": {"options": {"reasoningEffort": "high"}}
      }
    }
  }
}
"""


def opencode_json(person: Person, text: str | bytes | None = None, name: str = "opencode.json") -> Path:
    file = person.home / ".config" / "opencode" / name
    if text is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def models(file: Path) -> dict[str, Any]:
    found = parser.parse(file.read_text("utf-8"))["provider"]["openai"]["models"]
    assert isinstance(found, dict)
    return found


def backups(file: Path) -> list[Path]:
    return sorted(file.parent.glob(f"{file.name}.bak-*"))
