"""How long to wait before a retry, read from every place where an endpoint may say so."""

import time
from email.utils import formatdate

import pytest

from codex_transform.response.retry_after import seconds_until_reset

NOW = 1_790_000_000


def window(name: str, used: object, after: object = "", at: object = "") -> dict[str, str]:
    return {
        f"x-codex-{name}-used-percent": str(used),
        f"x-codex-{name}-reset-after-seconds": str(after),
        f"x-codex-{name}-reset-at": str(at),
    }


@pytest.mark.parametrize(
    ("details", "headers", "seconds"),
    [
        ({"resets_in_seconds": 529498}, {}, 529498),
        ({"resets_in_seconds": 0.2}, {}, 1),
        ({"resets_in_seconds": "12.5"}, {}, 13),
        ({"resets_in_seconds": -5}, {}, 1),
        ({"resets_at": NOW + 90}, {}, 90),
        ({"resets_at": NOW - 90}, {}, 1),
        ({"resets_in_seconds": None, "resets_at": NOW + 90}, {}, 90),
        ({"resets_in_seconds": 5, "resets_at": NOW + 90}, {"retry-after": "7"}, 5),
        ({"resets_at": (NOW + 90) * 1000}, {"retry-after": "7"}, 90),
        ({"resetAt": NOW + 90}, {}, 90),
        ({"reset_at": "2026-09-21T14:14:50Z"}, {}, 90),
        ({"resets_at": "2026-09-21T16:14:50.5+02:00"}, {}, 91),
        ({"resets_at": "soon"}, {"retry-after": "7"}, 7),
        ({"resets_at": 1e300}, {"retry-after": "7"}, 7),
        ({}, {"retry-after": "7"}, 7),
        ({}, {"retry-after": "0"}, 1),
        ({}, {"retry-after": formatdate(NOW + 61, usegmt=True)}, 61),
        ({}, {"retry-after": formatdate(NOW - 61, usegmt=True)}, 1),
        ({}, {"retry-after": "soon"}, None),
        ({}, window("primary", 100, 471285, NOW + 471290) | window("secondary", 0, 0), 471285),
        ({}, window("primary", 100, "", NOW + 33), 33),
        ({}, window("primary", 12, 300) | window("secondary", 100, 9000), 9000),
        ({}, window("primary", 100, 300) | window("secondary", 100, 9000), 9000),
        ({}, window("primary", 12, 300) | window("secondary", 90, 9000), 300),
        ({}, window("primary", 12, 300) | {"retry-after": "7"}, 7),
        ({}, window("primary", 100, 300) | {"retry-after": "7"}, 300),
        ({}, window("primary", "?", "?", "?"), None),
        ({}, {}, None),
        ({"resets_in_seconds": 1e300}, {}, None),
        ({"resets_in_seconds": float("nan"), "resets_at": True}, {}, 1),
        ({"resets_in_seconds": [], "resets_at": {}}, {"retry-after": ""}, None),
    ],
)
def test_the_most_precise_place_wins(details: dict[str, object], headers: dict[str, str], seconds: int | None) -> None:
    assert seconds_until_reset(details, headers, NOW) == seconds


def test_now_is_the_present_by_default() -> None:
    assert seconds_until_reset({"resets_at": time.time() + 1000}, {}) in range(970, 1001)


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Rate limit reached. Please try again in 20s.", 20),
        ("try again in 3h 12m", 11_520),
        ("Try again in 1 hour and 30 minutes", 5400),
        ("Please retry after 1.5 minutes", 90),
        ("the limit resets in 2 days", 172_800),
        ("try again in 350ms", 1),
        ("try again in a while", None),
        ("there are 3 m", None),
    ],
)
def test_a_time_in_words(message: str, seconds: int | None) -> None:
    assert seconds_until_reset({}, {}, NOW, message) == seconds


def test_a_member_wins_over_words() -> None:
    assert seconds_until_reset({"resets_in_seconds": 5}, {}, NOW, "try again in 20s") == 5
