"""Errors read from every shape in which endpoints write them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.response.upstream_error import read_error, server_error


@pytest.mark.parametrize(
    ("value", "message", "kind", "code", "param"),
    [
        ({"error": {"message": "m", "type": "t", "code": "c", "param": "p"}}, "m", "t", "c", "p"),
        ({"message": "m", "type": "t", "code": "c", "param": "p"}, "m", "t", "c", "p"),
        ({"type": "error", "message": "m", "code": "c"}, "m", None, "c", None),
        ({"type": "error", "error": {"type": "t", "message": "m"}}, "m", "t", None, None),
        ({"error": "m"}, "m", None, None, None),
        ({"error": "m", "message": "n", "code": "c"}, "m", None, "c", None),
        ({"error": {"message": "m", "code": 429}}, "m", None, "rate_limit_exceeded", None),
        ({"error": {"message": "m", "code": 503}}, "m", None, "server_error", None),
        ({"error": {"message": "m", "code": 400}}, "m", None, "invalid_request_error", None),
        (
            {"error": {"message": "", "code": "c"}},
            "The endpoint reported an error and did not say which.",
            None,
            "c",
            None,
        ),
        (
            {"error": {"message": {"a": 1}, "code": ["x"]}},
            "The endpoint reported an error and did not say which.",
            None,
            None,
            None,
        ),
        ({"detail": "m"}, "m", None, None, None),
        ({"detail": {"message": "m", "code": "c"}}, "m", None, "c", None),
        ({"detail": {"error": {"message": "m", "type": "t"}}}, "m", "t", None, None),
        (
            {"detail": [{"loc": ["body", "model"], "msg": "required", "type": "x"}]},
            "body.model: required",
            None,
            None,
            None,
        ),
        ({"detail": [{"msg": "a"}, {"loc": ["b", 0], "msg": "c"}, "d"]}, "a; b.0: c; d", None, None, None),
        ({"message": "m"}, "m", None, None, None),
        ({"error": None, "message": "m"}, "m", None, None, None),
    ],
)
def test_shapes(value: Any, message: str, kind: str | None, code: str | None, param: str | None) -> None:
    report = read_error(value)
    assert report is not None
    assert (report.message, report.type, report.code, report.param) == (message, kind, code, param)


@pytest.mark.parametrize(
    "value", [None, [], "text", 5, {}, {"error": None}, {"detail": []}, {"message": 5}, {"output": []}]
)
def test_what_is_not_an_error(value: Any) -> None:
    assert read_error(value) is None


@pytest.mark.parametrize(
    ("value", "standard"),
    [
        ({"error": {"message": "m"}}, True),
        ({"error": {"code": "c"}}, False),
        ({"detail": {"message": "m"}}, False),
        ({"error": "m"}, False),
        ({"message": "m"}, False),
    ],
)
def test_what_is_the_standard_shape(value: Any, standard: bool) -> None:
    report = read_error(value)
    assert report is not None
    assert report.standard == standard


def test_a_status_and_headers_inside_the_event_count() -> None:
    report = read_error({"type": "error", "status_code": 404, "error": {"message": "m"}, "headers": {"Retry-After": 7}})
    assert report is not None
    error = report.http_error()
    assert (error.status, error.retry_after) == (404, 7)


@pytest.mark.parametrize("status", [200, 99, 700, "404", None, True])
def test_an_invalid_status_does_not_count(status: Any) -> None:
    report = read_error({"message": "m", "status": status})
    assert report is not None
    assert report.status == 502


def is_limit(value: object) -> bool:
    report = read_error(value)
    assert report is not None
    return report.is_limit


def test_limits_are_recognised_by_code_type_or_words() -> None:
    assert is_limit({"error": {"type": "usage_limit_reached", "message": "m"}})
    assert is_limit({"error": {"code": "usage_not_included", "message": "m"}})
    assert is_limit({"detail": "You have hit your Usage Limit."})
    assert not is_limit({"error": {"type": "invalid_request_error", "message": "m"}})


def test_an_http_error_names_the_limit_as_its_code() -> None:
    report = read_error({"error": {"type": "usage_limit_reached", "message": "m", "resets_at": 1060}})
    assert report is not None
    error = report.http_error(now=1000)
    assert error.payload() == {
        "error": {
            "resets_at": 1060,
            "message": "m",
            "type": "usage_limit_reached",
            "param": None,
            "code": "usage_limit_reached",
        }
    }
    assert (error.status, error.retry_after) == (429, 60)


def test_an_event_has_its_members_where_each_client_looks_for_them() -> None:
    assert server_error("m").event(5) == {
        "type": "error",
        "code": "server_error",
        "message": "m",
        "param": None,
        "sequence_number": 5,
        "error": {"type": "server_error", "code": "server_error", "message": "m", "param": None},
    }


MEMBERS = ["error", "detail", "message", "type", "code", "param", "status", "headers", "loc", "msg"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(MEMBERS), inner),
        max_leaves=8,
    )
)
def test_any_value_is_read(value: Any) -> None:
    if report := read_error(value):
        assert report.http_error(now=0).payload()
        # An error that is written and read again stays the same.
        again = read_error(report.event(1))
        assert again is not None
        assert again.event(1) == report.event(1)


def test_deeply_nested_wrappers_are_read() -> None:
    value: Any = {"message": "m"}
    for _ in range(2000):
        value = {"error": value}
    assert read_error(value) is not None
