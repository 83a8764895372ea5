"""Several endpoints: the list `endpoints` of the config file.

Each has a name, a base URL and a key. The list is read as a whole: if one entry cannot be used, none is, because a
request must not go to another endpoint than the user thinks.
"""

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from codex_transform.endpoint.url import Endpoint, parse
from codex_transform.errors import InvalidValue, problem_and_fix
from codex_transform.jsonio import describe_type
from codex_transform.redaction import Secret
from codex_transform.settings.options import READ_API_KEY, READ_BASE_URL


def _name(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", value):
        return value
    raise ValueError("must be up to 40 letters, digits and . _ -, and begin with a letter or a digit")


class EndpointSettings(BaseModel):
    """One endpoint. Of those that have the model, the ones with the lowest `priority` get the calls, by `weight`.

    `models` names the models that it serves, all if it is empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, BeforeValidator(_name)]
    base_url: Annotated[str, BeforeValidator(READ_BASE_URL), Field(alias="baseURL")]
    api_key: Annotated[Secret, BeforeValidator(READ_API_KEY), Field(alias="apiKey")]
    models: tuple[str, ...] = ()
    weight: Annotated[int, Field(ge=1, le=1000)] = 1
    priority: Annotated[int, Field(ge=0, le=1000)] = 0

    @property
    def endpoint(self) -> Endpoint:
        """The address."""
        return parse(self.base_url)


def read_endpoints(value: object) -> tuple[EndpointSettings, ...]:
    """Return the endpoints of the config file's list. Raises ValueError with what is wrong, and where."""
    if not isinstance(value, list):
        raise ValueError(f"must be a list of endpoints, not {describe_type(value)}")  # noqa: TRY004
    endpoints = tuple(_read(index, entry) for index, entry in enumerate(value))
    names = [each.name for each in endpoints]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidValue(f"two endpoints have the name {twice!r}", "give each its own")
    return endpoints


def to_json(endpoint: EndpointSettings) -> dict[str, Any]:
    """Return an endpoint as the config file holds it, with the members that were given for it."""
    entry = endpoint.model_dump(by_alias=True, exclude_unset=True)
    entry["apiKey"] = endpoint.api_key.value
    return {name: list(each) if isinstance(each, tuple) else each for name, each in entry.items()}


def _read(index: int, entry: object) -> EndpointSettings:
    if not isinstance(entry, dict):
        raise ValueError(f"entry {index} must be an object, not {describe_type(entry)}")  # noqa: TRY004
    try:
        return EndpointSettings.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        message, fix = first["msg"], ""
        if first["type"] == "extra_forbidden":
            message, fix = "there is no such member", "remove it"
        elif isinstance(invalid := first.get("ctx", {}).get("error"), ValueError):
            message, fix = problem_and_fix(invalid)
        raise InvalidValue(f"entry {index}, {where}: {message}", fix) from None
