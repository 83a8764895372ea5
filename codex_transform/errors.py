"""The errors that cross module borders: what the client will be told, in OpenAI's shape, and a setting's bad value.

Request steps raise `ApiError` for a body they cannot accept, response code for what the endpoint sent; the proxy turns
it into an HTTP response. Its message goes to a person, so it names the field or setting and the fix.
"""

from collections.abc import Mapping
from typing import Any

# The `type` that OpenAI's own API gives for each status (API reference, "Error codes").
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}


class InvalidValue(ValueError):  # noqa: N818 - it is the user's value that is at fault
    """A value that cannot be used: `problem` says why, and `fix`, an imperative, what to write instead, if it has to.

    As text it is both.
    """

    def __init__(self, problem: str, fix: str = "") -> None:
        super().__init__(f"{problem}: {fix}" if fix else problem)
        self.problem = problem
        self.fix = fix


def problem_and_fix(error: ValueError) -> tuple[str, str]:
    """Return why a value cannot be used and what to write instead, "" if the first says it all."""
    return (error.problem, error.fix) if isinstance(error, InvalidValue) else (str(error), "")


class ApiError(Exception):
    """An HTTP error for the client.

    `status` is the HTTP status; `message`, `type`, `code` and `param` are the members of OpenAI's error object;
    `retry_after` is in whole seconds and becomes the header of that name. `details` are further members of the error
    object. Without a `type` the status decides it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type or TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        self.code = code
        self.param = param
        self.retry_after = retry_after
        self.details = details or {}

    def payload(self) -> dict[str, Any]:
        """Return the body as OpenAI documents it: an object `error` with `message`, `type`, `param` and `code`."""
        members = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": {**self.details, **members}}


def bad_request(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Return a 400 that names the field at fault (`param`, in OpenAI's dotted form such as `reasoning.effort`)."""
    return ApiError(400, message, param=param, code=code)
