"""Which header fields of an endpoint are limits."""

from codex_transform.endpoint.limits import reported_limits

LIMITS = [
    "x-codex-primary-used-percent",
    "x-codex-primary-window-minutes",
    "x-codex-secondary-reset-after-seconds",
    "x-codex-secondary-reset-at",
    "x-codex-primary-over-secondary-limit-percent",
    "x-codex-bengalfox-primary-used-percent",
    "x-codex-bengalfox-limit-name",
    "x-codex-credits-balance",
    "x-codex-active-limit",
    "x-codex-rate-limit-reached-type",
]
OTHERS = [
    "x-codex-sandbox",
    "x-codex-turn-state",
    "x-codex-promo-message",
    "x-codex-request-id",
    "x-codex-primary-region",
    "x-request-id",
    "primary-used-percent",
]


def test_only_limits_are_reported() -> None:
    assert list(reported_limits((name, "1") for name in [*LIMITS, *OTHERS])) == LIMITS


def test_names_are_in_lower_case() -> None:
    assert reported_limits([("X-Codex-Primary-Used-Percent", "42")]) == {"x-codex-primary-used-percent": "42"}
