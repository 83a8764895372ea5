"""The private certificate authority that mitmproxy is configured to trust."""

import re
from pathlib import Path

from codex_transform import paths

_OPTION = re.compile(r"^ssl_verify_upstream_trusted_ca:[ \t]*(['\"]?)(.+?)\1[ \t]*(?:#.*)?$", re.MULTILINE)


def private_ca(home: Path) -> Path | None:
    """Return the file with it from mitmproxy's own configuration below `home`; None if there is none."""
    try:
        text = (paths.mitmproxy_folder(home) / "config.yaml").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    match = _OPTION.search(text)
    return Path(match[2]).expanduser() if match else None
