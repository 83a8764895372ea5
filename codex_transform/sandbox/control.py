"""The sandbox's own pages, below /sandbox: what it received, and which faults are planned.

Strategy: plain functions from a request to a planned response. They answer only under a loopback name, so that no
web page can read prompts by pointing its own host name to 127.0.0.1 (DNS rebinding).
"""

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, ValidationError

from codex_transform.sandbox.connection import Request
from codex_transform.sandbox.fault_plan import FaultPlan
from codex_transform.sandbox.faults.table import FAULTS, UnknownFaultError
from codex_transform.sandbox.journal import Journal
from codex_transform.sandbox.planned_response import PlannedResponse, whole

PREFIX = "/sandbox"
ABOUT = "This is the codex-transform sandbox: a local stand-in for a Codex endpoint. No model answers here."

_OWN_NAME = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?", re.IGNORECASE)


class Wanted(BaseModel):
    """The body of POST /sandbox/misbehave. Without a name there are no more faults."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str | None = None
    times: PositiveInt | None = None
    at: NonNegativeInt | None = None
    with_tools: bool | None = None


def control(request: Request, path: str, journal: Journal, plan: FaultPlan) -> PlannedResponse:
    """Answer a request for one of the sandbox's own pages."""
    if not _OWN_NAME.fullmatch(dict(request.headers).get("host", "")):
        return whole(403, {"detail": "The sandbox's own pages are for this machine only"})
    match request.method, path.removeprefix(PREFIX).rstrip("/"):
        case "GET", "":
            return whole(200, {"about": ABOUT, "pages": [f"{PREFIX}/requests", f"{PREFIX}/misbehave"]})
        case "GET", "/requests":
            received = [{name: value for name, value in each.items() if name != "content"} for each in journal.all()]
            return whole(200, received)
        case "DELETE", "/requests":
            journal.clear()
            return whole(200, [])
        case "GET", "/misbehave":
            return whole(200, _told(plan))
        case "DELETE", "/misbehave":
            plan.clear()
            return whole(200, _told(plan))
        case "POST", "/misbehave":
            return _misbehave(request.body, plan)
    return whole(404, {"detail": "The sandbox has no such page"})


def _misbehave(body: bytes, plan: FaultPlan) -> PlannedResponse:
    try:
        settings = Wanted.model_validate_json(body or b"{}")
        if settings.name is None:
            plan.clear()
        else:
            plan.set(settings.name, settings.times, settings.at, settings.with_tools)
    except ValidationError as error:
        first = error.errors()[0]
        return whole(400, {"detail": f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}"})
    except UnknownFaultError as error:
        return whole(400, {"detail": str(error)})
    return whole(200, _told(plan))


def _told(plan: FaultPlan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "times": plan.times,
        "with_tools": plan.with_tools,
        "known": {name: fault.about for name, fault in FAULTS.items()},
    }
