"""Reasons of refusals: one for each refusal of the proxy, and none that is not in the list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.usage.refusals import REASONS, refusal_reason


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (401, "invalid_api_key", "unknown_key"),
        (401, "codex_base_url_missing", "not_set_up"),
        (503, "clients_invalid", "not_set_up"),
        (429, "insufficient_quota", "tokens_limit"),
        (503, "proxy_stopped", "stopping"),
        (400, None, "bad_request"),
        (413, "too_large", "bad_request"),
        (426, None, "no_websocket"),
        (500, None, "other"),
    ],
)
def test_each_refusal_has_its_reason(status: int, code: str | None, reason: str) -> None:
    assert refusal_reason(status, code) == reason


@given(st.integers(100, 999), st.none() | st.text())
def test_every_reason_is_in_the_list(status: int, code: str | None) -> None:
    assert refusal_reason(status, code) in REASONS
