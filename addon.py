"""The addon: `mitmdump -s addon.py`. It puts the parts together and holds nothing else."""

from codex_transform.proxy.answer import Answer
from codex_transform.proxy.backlog import Backlog
from codex_transform.proxy.collector import Collector
from codex_transform.proxy.commands import Commands
from codex_transform.proxy.config import Config
from codex_transform.proxy.contentview import ContentViews
from codex_transform.proxy.families import Families
from codex_transform.proxy.gate import Gate
from codex_transform.proxy.keeping import Keeping
from codex_transform.proxy.layer import Layers
from codex_transform.proxy.leftovers import Leftovers
from codex_transform.proxy.limits import Limits
from codex_transform.proxy.log_output import LogOutput
from codex_transform.proxy.notes import Notes
from codex_transform.proxy.refresh import Refresh
from codex_transform.proxy.requestlog import RequestLog
from codex_transform.proxy.rollcall import RollCall
from codex_transform.proxy.targets import Targets
from codex_transform.proxy.together import Together
from codex_transform.proxy.transform import Transform
from codex_transform.proxy.visitors import Visitors
from codex_transform.usage_store import FILE, UsageStore

config = Config()
refresh = Refresh(config)
log = RequestLog(config)
store = UsageStore(FILE)
notes = Notes(config, refresh, store)

# They are asked in this order: settings first, the request's way out, the answer's way back.
addons = [
    Together(
        LogOutput(),
        config,
        refresh,
        Visitors(config),
        Layers(),
        RollCall(),
        Gate(config),
        Targets(config),
        Limits(config),
        Families(config),
        Leftovers(),
        Backlog(),
        Transform(config, refresh, log),
        Answer(log),
        notes,
        Keeping(config),
        log,
        ContentViews(),
        Commands(config, refresh, notes, store),
        Collector(),
    )
]
