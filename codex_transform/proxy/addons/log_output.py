"""Addon: writes log lines to the terminal as text or as JSON, whatever characters they contain.

Mitmproxy's handler raises on a character that the console cannot encode, in the middle of the hook that logs. The lines
of mitmweb's and the console's own event logs are for people, and stay text.
"""

import io
import logging

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.termlog import TermLogHandler

from codex_transform import requirements
from codex_transform.console import make_lenient
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.patches.option_sources import set_by_user

logger = logging.getLogger(__name__)


class LogOutput:
    """Makes the console replace what it cannot show; comes before every addon that logs.

    With `codex_log_format=json` mitmdump prints no flows between the lines, unless its user has set `flow_detail`.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._formatters: list[_Formatter] = []
        self._format = "text"
        self._hides_flows = False

    def load(self, _loader: Loader) -> None:
        """Make stdout and stderr lenient, and write log lines in the form of the setting."""
        make_lenient()
        for handler in logging.getLogger().handlers:
            if isinstance(handler, TermLogHandler):
                # A service manager or a container engine reads a pipe, which Python would write in blocks of kilobytes.
                if isinstance(handler.file, io.TextIOWrapper):
                    handler.file.reconfigure(line_buffering=True)
                # Replaces the one from before a reload. It is not removed at the end, when other addons still log.
                text = handler.formatter.text if isinstance(handler.formatter, _Formatter) else handler.formatter
                formatter = _Formatter(text or logging.Formatter(), self.config)
                self._formatters.append(formatter)
                handler.setFormatter(formatter)

    def running(self) -> None:
        """Apply the setting, now that mitmproxy is running."""
        self._follow()

    def requestheaders(self, _flow: object) -> None:
        """Apply a change of the setting."""
        self._follow()

    def _follow(self) -> None:
        chosen = self.config.settings.log_format
        if chosen == self._format:
            return
        self._format = chosen
        if any(formatter.problem for formatter in self._formatters):
            fix = requirements.install_fix("python-json-logger>=3.1")
            logger.warning("codex_log_format: lines stay text, because python-json-logger is missing. Fix: %s", fix)
        elif "flow_detail" not in ctx.options:
            return
        elif chosen == "json" and not set_by_user(["flow_detail"]):
            self._hides_flows = True
            ctx.options.update(flow_detail=0)
        elif chosen == "text" and self._hides_flows:
            self._hides_flows = False
            ctx.options.update(flow_detail=ctx.options.default("flow_detail"))


class _Formatter(logging.Formatter):
    """Formats each line in the form that is set at that moment; `text` is mitmproxy's own formatter."""

    def __init__(self, text: logging.Formatter, config: Config) -> None:
        super().__init__()
        self.text = text
        self.problem = False
        self._config = config
        self._json: logging.Formatter | None = None

    def format(self, record: logging.LogRecord) -> str:
        if self._config.settings.log_format == "text" or self.problem:
            return self.text.format(record)
        if self._json is None:
            try:
                # Imported only now, because a mitmproxy that was installed separately may lack its dependencies.
                from codex_transform.proxy.json_log import JsonLogFormatter
            except ImportError:
                self.problem = True
                return self.text.format(record)
            self._json = JsonLogFormatter()
        return self._json.format(record)
