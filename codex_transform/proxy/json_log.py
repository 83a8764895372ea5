"""The log as JSON: one object a line, with a call's figures as members of their own."""

import logging
from datetime import UTC, datetime
from typing import Any

from mitmproxy.utils import human
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from codex_transform.usage.row import CALL_FIELDS

_OWN = (CALL_FIELDS, "client")


class JsonLogFormatter(JsonFormatter):
    """Writes a line as an object: `time`, `level`, `logger` and `message`, then what is known of its call."""

    def __init__(self) -> None:
        super().__init__(reserved_attrs=[*RESERVED_ATTRS, *_OWN])

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Add mitmproxy's and our own members to those that the library knows."""
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data["level"] = record.levelname.lower()
        log_data["logger"] = record.name
        super().add_fields(log_data, record, message_dict)
        if client := getattr(record, "client", None):
            log_data["client"] = human.format_address(client)
        log_data.update(getattr(record, CALL_FIELDS, {}))
