"""The event rules: however an endpoint reports a failure, clients get it the API's way."""

import pytest
from response.rewriting import ANSWER, CREATED, repaired, rewrite
from response.streams import block, events_of, outcome, response, run, stream

from codex_transform.errors import ApiError

STANDARD = {
    "type": "error",
    "code": "server_error",
    "message": "It broke.",
    "param": None,
    "sequence_number": 1,
    "error": {"type": "server_error", "code": "server_error", "message": "It broke.", "param": None},
}


@pytest.mark.parametrize(
    "data",
    [
        block(STANDARD),
        b'data: {"type":"error","sequence_number":1,"error":{"message":"It broke.","type":"server_error"}}\n\n',
        b'data: {"type":"error","code":"server_error","message":"It broke.","param":null,"sequence_number":1}\n\n',
        b'event: error\ndata: {"error":{"message":"It broke.","code":"server_error"}}\n\n',
        b'event: error\ndata: {"detail":"It broke."}\n\n',
        b'event: error\ndata: {"error":"It broke."}\n\n',
        b'event: error\ndata: {"message":"It broke.","code":500}\n\n',
        b"event: error\ndata: It broke.\n\n",
        b"event: error\ndata: It broke.",
        b'data: {"error":{"message":"It broke.","type":"server_error","code":null}}\n\n',
        b'data: {"detail":"It broke."}\n\n',
    ],
)
def test_every_shape_of_error_becomes_the_standard_one(data: bytes) -> None:
    out, rewriter = rewrite(block(CREATED) + data)
    assert events_of(out) == [CREATED, STANDARD]
    assert rewriter.ended == "error"


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "usage_limit_reached", "insufficient_quota"])
def test_the_code_of_an_error_stays(code: str) -> None:
    nested = {"type": "error", "error": {"type": code, "message": "Enough.", "resets_in_seconds": 60}}
    (event,) = repaired(nested)
    assert event["code"] == event["error"]["code"] == event["error"]["type"] == code
    assert event["error"]["resets_in_seconds"] == 60


def test_a_failed_response_is_preceded_by_an_error() -> None:
    problem = {"code": "context_length_exceeded", "message": "Too long."}
    failed = {"type": "response.failed", "sequence_number": 1, "response": response(status="failed", error=problem)}
    error, event = repaired(failed)
    assert error["sequence_number"] == 1
    assert (error["code"], error["message"]) == ("context_length_exceeded", "Too long.")
    assert error["error"]["type"] == "invalid_request_error"
    assert event == {**failed, "sequence_number": 2}


def test_a_limits_error_type_is_its_code() -> None:
    problem = {"code": "insufficient_quota", "message": "No money."}
    error, _ = repaired({"type": "response.failed", "response": response(status="failed", error=problem)})
    assert error["error"]["type"] == "insufficient_quota"


def test_the_apis_own_way_to_fail_stays() -> None:
    failed = {"type": "response.failed", "sequence_number": 2, "response": response(status="failed")}
    data = stream([CREATED, STANDARD, failed])
    out, rewriter = rewrite(data + stream([ANSWER[-1], failed]))
    assert out == data
    assert rewriter.ended == "failed"


def test_done_with_a_failed_response_fails() -> None:
    done = {"type": "response.done", "sequence_number": 1, "response": response(status="failed", usage=None)}
    error, event = repaired(done)
    assert error["type"] == "error"
    assert event["type"] == "response.failed"


@pytest.mark.parametrize("before", [b"", b"\n\n", b"noise\n\n", b'data: {"type":"codex.rate_limits"}\n\n'])
def test_an_error_before_anything_else_is_raised(before: bytes) -> None:
    limit = {
        "type": "error",
        "status_code": 429,
        "error": {"type": "usage_limit_reached", "message": "Enough.", "resets_in_seconds": 90.2},
        "headers": {"X-Codex-Primary-Used-Percent": "100"},
    }
    with pytest.raises(ApiError) as caught:
        run([before + block(limit)])
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (429, "usage_limit_reached", 91)
    failed = {"type": "response.failed", "response": response(status="failed", error=None)}
    assert outcome([before + block(failed)])[0] == 500
