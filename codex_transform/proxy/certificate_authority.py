"""Creates mitmproxy's certificate authority so that proxies which start at the same time in an empty home have one.

mitmproxy creates it when it finds none, and does not look whether another process does the same: each goes on with its
own, but clients trust the one whose files were written last.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from mitmproxy.certs import CertStore
from mitmproxy.options import CONF_BASENAME, CONF_DIR, KEY_SIZE

from codex_transform.settings.mitmproxy_arguments import set_options

_KEY_FILE = f"{CONF_BASENAME}-ca.pem"


def create_authority(folder: Path, key_size: int = KEY_SIZE) -> None:
    """Create the files of the authority in mitmproxy's folder, unless they are there; `key_size` is in bits.

    If that is not possible, it is left to mitmproxy, which says why.
    """
    if (folder / _KEY_FILE).exists():
        return
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder) as name:
            made = Path(name)
            CertStore.create_store(made, CONF_BASENAME, key_size)
            # The file that mitmproxy reads. Linking fails if another process was first.
            os.link(made / _KEY_FILE, folder / _KEY_FILE)
            for file in [*made.iterdir()]:
                if file.name != _KEY_FILE:
                    file.replace(folder / file.name)


def authority_options(arguments: Sequence[str]) -> tuple[Path, int]:
    """Return mitmproxy's folder and the size of its authority's key by the `--set` arguments of mitmproxy."""
    options = set_options(arguments)
    size = options.get("key_size", "")
    return Path(options.get("confdir", CONF_DIR)).expanduser(), int(size) if size.isdecimal() else KEY_SIZE
