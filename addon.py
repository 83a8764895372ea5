"""The addon: `mitmdump -s addon.py`. It finds the package, checks what that needs, and holds nothing else."""

import logging
import sys
from pathlib import Path

# In a checkout the package lies beside this file, wherever a link to it may be; a wheel has this file inside of it.
_FOLDER = Path(__file__).resolve().parent
if (_FOLDER / "codex_transform").is_dir() and str(_FOLDER) not in sys.path:
    sys.path.insert(0, str(_FOLDER))

from codex_transform import requirements  # noqa: E402
from codex_transform.proxy import patches  # noqa: E402

_versions = requirements.installed()
addons: list[object] = []

if _unmet := requirements.unmet(_versions) or patches.unmet():
    # An error that is logged while mitmproxy starts has it end; on a reload what is left of the addon refuses requests.
    logging.getLogger("codex_transform").error(_unmet)
else:
    from codex_transform.proxy.addons import build

    if _untried := requirements.untested(_versions):
        logging.getLogger("codex_transform").warning(_untried)
    addons = build()
