"""The addon: `mitmdump -s addon.py`. It puts the parts together and holds nothing else."""

from codex_transform.proxy.answer import Answer
from codex_transform.proxy.config import Config
from codex_transform.proxy.gate import Gate
from codex_transform.proxy.layer import Layers
from codex_transform.proxy.refresh import Refresh
from codex_transform.proxy.requestlog import RequestLog
from codex_transform.proxy.targets import Targets
from codex_transform.proxy.transform import Transform
from codex_transform.proxy.visitors import Visitors

config = Config()
refresh = Refresh(config)
log = RequestLog(config)

# mitmproxy asks them in this order: settings first, the request's way out, the answer's way back.
addons = [
    config,
    refresh,
    Visitors(config),
    Layers(),
    Gate(config),
    Targets(config),
    Transform(config, refresh, log),
    Answer(log),
    log,
]
