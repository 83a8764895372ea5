"""Addon: requires a person's key in each request of ours, once there are such keys, and enforces the person's limits.

A key is valid only at this proxy, and is never forwarded. A request that is refused here is not a call, so that nobody
can fill the usage database with refused requests; `proxy/refusals.py` counts it.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime
from typing import TYPE_CHECKING

from mitmproxy import http
from mitmproxy.proxy.mode_specs import ReverseMode

from codex_transform.endpoint.hosts import is_intercepted_host
from codex_transform.errors import ApiError
from codex_transform.people.keys import KEY_PREFIX
from codex_transform.people.limiter import EXPECTED_OUTPUT, Limiter
from codex_transform.proxy import responses
from codex_transform.proxy.addons.client_access import HTTP_OF_OURS_ONLY, is_restricted
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.stored_responses import FAILED
from codex_transform.proxy.admission import Admission, get_admission, set_admission
from codex_transform.proxy.bodies import RequestReader
from codex_transform.proxy.call import Call, forget_call, get_call
from codex_transform.proxy.client_address import client_address
from codex_transform.proxy.flow_annotations import has_interactive_view, set_comment
from codex_transform.proxy.local_request import (
    forget_local_requests,
    get_local_request,
    get_models_request,
    start_local_request,
)
from codex_transform.proxy.passing import get_passing
from codex_transform.proxy.refusals import Refusals
from codex_transform.proxy.websocket import get_socket
from codex_transform.state.token_count import estimate_tokens
from codex_transform.usage.store import UsageStore

if TYPE_CHECKING:
    from codex_transform.people.person import Limits, Person

logger = logging.getLogger(__name__)

NO_KEY = (
    "this proxy requires a key of its own: ask its owner for one (`codex-transform clients add`), and have your client "
    "send it instead of an OpenAI key"
)


class People:
    """Identifies who sends a request, and refuses it if it is not allowed."""

    def __init__(self, config: Config, reader: RequestReader, store: UsageStore, refusals: Refusals) -> None:
        self.config = config
        self.reader = reader
        self.refusals = refusals
        self.limiter = Limiter(config.values, fails_closed=lambda: config.settings.limits_fail == "closed")
        self._store = store
        self._counted = False

    def running(self) -> None:
        """Load the usage from before mitmproxy started."""
        self._count()

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Refuse a tunnel to a host that is not intercepted if the client may use the proxy only with a key."""
        if flow.response or not is_restricted(self.config, flow.client_conn):
            return
        if not is_intercepted_host(flow.request.host, flow.request.port, self.config.settings.hosts, None):
            self._refuse(flow, ApiError(403, HTTP_OF_OURS_ONLY), None)

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Identify who sends a request, and refuse one without a valid key."""
        try:
            await self._identify(flow)
        except Exception:
            self._fail(flow)

    async def _identify(self, flow: http.HTTPFlow) -> None:
        if not flow.live or not self.config.people.defined:
            return
        if flow.is_replay:
            # The owner's, or one of this proxy's own, which has its person already.
            if admission := get_admission(flow):
                self._follow(flow, admission)
            return
        authorization = flow.request.headers.get("authorization", "")
        person = self.config.people.find(authorization)
        passes_reversed = get_passing(flow) is not None and isinstance(flow.client_conn.proxy_mode, ReverseMode)
        if flow.response:
            return
        ours = get_call(flow) or get_local_request(flow) or get_models_request(flow) or get_socket(flow)
        if ours or passes_reversed:
            try:
                await self._admit(flow, person, passes=passes_reversed)
            except ApiError as error:
                self._refuse(flow, error, person)
                return
        elif is_restricted(self.config, flow.client_conn):
            self._refuse(flow, ApiError(403, HTTP_OF_OURS_ONLY), person)
            return
        if (person or KEY_PREFIX in authorization) and not (get_call(flow) or get_local_request(flow)):
            flow.request.headers.pop("authorization", None)

    async def request(self, flow: http.HTTPFlow) -> None:
        """Refuse a call that is over a limit; count one that is not."""
        call, admission = get_call(flow), get_admission(flow)
        if call is None or admission is None or flow.response:
            return
        person = admission.person
        try:
            tokens = self._checked(flow, call, person)
            if admission.derived:
                admission.reservation = self.limiter.hold(person, tokens)
            else:
                admission.reservation = await self.limiter.admit(person, tokens)
        except ApiError as error:
            self._refuse(flow, error, person)
        except Exception:
            self._fail(flow)

    def _follow(self, flow: http.HTTPFlow, admission: Admission) -> None:
        """Admit a request of this proxy's own unless its person's key was revoked meanwhile, as during a WebSocket."""
        person = self.config.people.current(admission.person)
        if person is None:
            self._refuse(flow, ApiError(401, NO_KEY, code="invalid_api_key"), admission.person)
            return
        admission.person = person
        _adopt(flow, person)

    async def _admit(self, flow: http.HTTPFlow, person: Person | None, *, passes: bool) -> None:
        """Admit a person's request. Raises ApiError for one that may not be sent."""
        if self.config.people.problem:
            message = (
                "the file with the keys of this proxy's clients cannot be used. "
                "Fix: ask its owner, who finds why in the log"
            )
            raise ApiError(503, message, code="clients_invalid")
        if person is None:
            raise ApiError(401, NO_KEY, code="invalid_api_key")
        if passes:
            if person.models or person.counts_tokens:
                message = (
                    f"{flow.request.path.partition('?')[0]}: your key has limits of models or tokens, which hold for"
                )
                raise ApiError(403, f"{message} the Responses API alone, so nothing else is sent with it")
            self._count()
            self.limiter.charge(await self.limiter.admit(person), 0)
        self._count()
        set_admission(flow, Admission(person))
        _adopt(flow, person)

    def _count(self) -> None:
        """Load the people's usage from the database, once there are people."""
        if self._counted or not self.config.people.defined:
            return
        self._counted = True
        now = time.time()
        today = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)  # noqa: DTZ006
        for since, unit in ((today.replace(day=1).timestamp(), "month"), (today.timestamp(), "day"), (now - 60, "")):
            for used in self._store.by_person(since):
                tokens = used.tokens.input + used.tokens.output
                self.limiter.begin_with(used.name, **({unit: tokens} if unit else {"requests": used.requests}))

    def _checked(self, flow: http.HTTPFlow, call: Call, limits: Limits) -> int:
        """Return how many tokens to reserve for a call. Raises ApiError 403 for a model that is not allowed."""
        if not limits.models and not limits.counts_tokens:
            return 0
        try:
            body = self.reader.read(flow, call).body
        except ApiError:
            return 0  # it will be refused for that
        model = body.get("model")
        if isinstance(model, str) and not limits.allows(model):
            allowed = ", ".join(limits.models)
            raise ApiError(
                403, f"your key may not use this model, only {allowed}", code="model_not_allowed", param="model"
            )
        return estimate_tokens(body) + EXPECTED_OUTPUT if limits.counts_tokens else 0

    def _fail(self, flow: http.HTTPFlow) -> None:
        """Refuse a request on which a check failed: mitmproxy logs an exception of an addon, and sends the request."""
        logger.exception("checking a client's key or limits failed; the request was not sent")
        self._refuse(flow, FAILED, None)

    def _refuse(self, flow: http.HTTPFlow, error: ApiError, person: Person | None) -> None:
        """Answer with an error, and make sure that no later addon treats the request as one of ours."""
        forget_call(flow)
        forget_local_requests(flow)
        flow.response = responses.error_response(error)
        if has_interactive_view():
            who = person.name if person else f"a client at {client_address(flow)}"
            set_comment(flow, f"{who} · {error.status} · {error.message}")
        self.refusals.note(flow, error, person.name if person else None)


def _adopt(flow: http.HTTPFlow, person: Person) -> None:
    """Assign a flow's call to a person."""
    if call := get_call(flow):
        call.owner, call.person = person.owner, person.name
    if local := get_local_request(flow):
        start_local_request(flow, local._replace(owner=person.owner))
    if socket := get_socket(flow):
        socket.owner = person.owner
