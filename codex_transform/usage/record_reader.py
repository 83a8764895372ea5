"""Read records that were stored as plain values.

Flow files outlive releases: members that are not known are ignored, and each that is added has a default.
"""

from pydantic import TypeAdapter, ValidationError

from codex_transform.usage.record import Record

_ADAPTER = TypeAdapter(Record)


def read_record(value: object) -> Record | None:
    """Return the record that `to_plain` made `value` of; None for none, or for one that this release cannot read."""
    try:
        return _ADAPTER.validate_python(value)
    except ValidationError:
        return None
