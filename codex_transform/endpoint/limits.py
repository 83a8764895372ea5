"""The limits that an endpoint reports in the header fields of its responses.

For each of two windows of time it says how much is used and when the window ends (Codex CLI 0.111,
`codex-api/src/rate_limits.rs`); with several limits, the name of each stands before that of the window. Other fields
that begin with `x-codex-` are about something else.
"""

import re
from collections.abc import Iterable

_LIMIT = re.compile(
    r"x-codex-(?:"
    r"(?:.+-)?(?:primary|secondary)-(?:used-percent|window-minutes|reset-at|reset-after-seconds)"
    r"|(?:.+-)?limit-name"
    r"|primary-over-secondary-limit-percent"
    r"|credits-(?:has-credits|unlimited|balance)"
    r"|active-limit|rate-limit-reached-type"
    r")"
)


def reported_limits(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return those of a response's fields that are limits, by their names in lower case."""
    return {name.lower(): value for name, value in fields if _LIMIT.fullmatch(name.lower())}
