"""What a 403 means besides a refused key."""

import json

import pytest

from codex_transform.errors import ApiError
from codex_transform.response.http_error import error_for_client

ENDPOINT = "https://endpoint.example/responses"


def client_error(error: object, status: int = 403) -> ApiError:
    body = error.encode() if isinstance(error, str) else json.dumps({"error": error}).encode()
    return error_for_client(status, {}, body, endpoint=ENDPOINT, now=1_790_000_000)


@pytest.mark.parametrize(
    ("error", "status", "code", "fix"),
    [
        ({"message": "用户额度不足", "code": "insufficient_user_quota"}, 429, "insufficient_user_quota", "quota"),
        ({"message": "Daily limit exceeded"}, 429, "insufficient_quota", "quota"),
        ({"message": "Your credit balance is too low"}, 429, "insufficient_quota", "quota"),
        ({"message": "no access to model gpt-5.2"}, 403, "model_not_allowed", "/models"),
        ({"message": "no", "code": "codex_access_restricted"}, 403, "codex_access_restricted", "Codex CLI alone"),
        ({"message": "Only official Codex clients"}, 403, "codex_access_restricted", "Codex CLI alone"),
        ({"message": "Country not supported"}, 403, "unsupported_country_region_territory", "region"),
        ("该模型无权访问", 403, "model_not_allowed", "/models"),
    ],
)
def test_the_message_says_what_is_refused(error: object, status: int, code: str, fix: str) -> None:
    found = client_error(error)
    assert (found.status, found.code) == (status, code)
    assert fix in found.message
    assert "codex_api_key" not in found.message
    assert found.message.startswith(f"{ENDPOINT} refused the request (HTTP 403: ")


@pytest.mark.parametrize("error", [{"message": "Invalid token"}, {"message": "Bad API key"}, "", "Unauthorized"])
def test_the_key_is_blamed_where_the_endpoint_blames_it(error: object) -> None:
    assert "refused the key in codex_api_key (HTTP 403" in client_error(error).message


def test_an_unknown_refusal_is_passed_on() -> None:
    found = client_error({"message": "Not today", "code": "closed"})
    assert (found.status, found.code, found.message) == (403, "closed", "Not today")


def test_a_reset_goes_into_retry_after() -> None:
    assert client_error({"message": "quota exceeded, try again in 2h 30m"}).retry_after == 9000


def test_a_401_is_about_the_key_whatever_it_says() -> None:
    assert "codex_api_key" in client_error({"message": "no quota for this model"}, 401).message


def test_the_members_of_a_limit_are_kept() -> None:
    """The Codex CLI uses these to tell its user when to try again."""
    limit = {"type": "usage_limit_reached", "message": "m", "plan_type": "pro", "resets_at": 1_790_000_060, "secret": 1}
    found = client_error(limit, 429)
    assert found.retry_after == 60
    assert found.payload()["error"] == {
        "plan_type": "pro",
        "resets_at": 1_790_000_060,
        "message": "m",
        "type": "usage_limit_reached",
        "param": None,
        "code": "usage_limit_reached",
    }
