"""Creates mitmproxy's certificate authority so that proxies which start at the same time in an empty home have one.

mitmproxy creates it when it finds none, and does not look whether another process does the same: each goes on with its
own, but clients trust the one whose files were written last.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from mitmproxy.certs import CertStore
from mitmproxy.options import CONF_BASENAME, CONF_DIR, KEY_SIZE

from codex_transform.fsutil import fix_for, is_missing
from codex_transform.settings.mitmproxy_arguments import set_options

_KEY_FILE = f"{CONF_BASENAME}-ca.pem"


def create_authority(folder: Path, key_size: int = KEY_SIZE) -> None:
    """Create the files of the authority in mitmproxy's folder, unless they are there; `key_size` is in bits.

    Raises SystemExit, with the fix, for a folder or a file that cannot be used: mitmproxy would log a traceback.
    """
    key_file = folder / _KEY_FILE
    try:
        if not is_missing(key_file):
            _require_whole(key_file)
            return
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder) as name:
            made = Path(name)
            CertStore.create_store(made, CONF_BASENAME, key_size)
            if _put(made / _KEY_FILE, key_file):
                for file in [*made.iterdir()]:
                    if file.name != _KEY_FILE:
                        file.replace(folder / file.name)
    except OSError as error:
        raise SystemExit(_message(folder, error.strerror or str(error), fix_for(error))) from None


def _put(made: Path, key_file: Path) -> bool:
    """Put the file that mitmproxy reads into its place; return False if another process was first."""
    try:
        os.link(made, key_file)
    except FileExistsError:
        return False
    except OSError:  # this disk has no hard links
        made.replace(key_file)
    return True


def _require_whole(key_file: Path) -> None:
    """Raise SystemExit if the file is damaged, as by a full disk, as far as a look at its borders shows."""
    content = key_file.read_bytes()
    if not all(border in content for border in (b"PRIVATE KEY-----", b"-----END CERTIFICATE-----")):
        fix = f"delete {key_file.parent / 'mitmproxy-ca*'}, which the proxy makes again"
        raise SystemExit(_message(key_file.parent, f"{key_file.name} is damaged", fix))


def _message(folder: Path, reason: str, fix: str) -> str:
    return f"The certificate authority in {folder} cannot be used: {reason}. Fix: {fix}."


def authority_options(arguments: Sequence[str]) -> tuple[Path, int]:
    """Return mitmproxy's folder and the size of its authority's key by the `--set` arguments of mitmproxy."""
    options = set_options(arguments)
    size = options.get("key_size", "")
    return Path(options.get("confdir", CONF_DIR)).expanduser(), int(size) if size.isdecimal() else KEY_SIZE
