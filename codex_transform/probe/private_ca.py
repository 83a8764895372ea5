"""Which private authority mitmproxy has been told to trust, for endpoints that have their certificate from one."""

import re
from pathlib import Path

from codex_transform import paths

_OPTION = re.compile(r"^ssl_verify_upstream_trusted_ca:[ \t]*(['\"]?)(.+?)\1[ \t]*(?:#.*)?$", re.MULTILINE)


def private_ca(home: Path) -> Path | None:
    """Return the file that mitmproxy's own configuration below `home` names for it; None if it names none."""
    try:
        text = (paths.mitmproxy_folder(home) / "config.yaml").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    found = _OPTION.search(text)
    return Path(found[2]).expanduser() if found else None
