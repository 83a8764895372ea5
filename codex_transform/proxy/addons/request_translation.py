"""Addon: rewrites each request of ours into a Codex request, or answers it with an error.

A request that could not be rewritten, for whatever reason, is never sent.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from mitmproxy import http
from mitmproxy.proxy.mode_specs import ReverseMode

from codex_transform.attempts.edits import ReplaceInstructions, UseCodexInstructions, apply_all
from codex_transform.attempts.memory import Key, Memory
from codex_transform.attempts.next_attempt import Policy
from codex_transform.attempts.rule import Instructions
from codex_transform.catalog import Resolved, resolve
from codex_transform.clients.client import Client
from codex_transform.clients.identify import identify
from codex_transform.endpoint.headers import (
    DEFAULT_ORIGINATOR,
    Field,
    client_session,
    codex_headers,
    forwarded_request_headers,
    header,
)
from codex_transform.endpoint.pool import Target
from codex_transform.endpoint.url import Endpoint
from codex_transform.errors import ApiError
from codex_transform.proxy import credentials, responses
from codex_transform.proxy.addons.client_access import is_open_proxy
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.instructions_refresh import InstructionsRefresh
from codex_transform.proxy.addons.request_log import RequestLog
from codex_transform.proxy.addons.stored_responses import StoredResponses
from codex_transform.proxy.bodies import RequestReader
from codex_transform.proxy.call import Call, get_call, inherited_key
from codex_transform.proxy.call_attempts import CallAttempts
from codex_transform.proxy.failover import Failover
from codex_transform.proxy.local_request import get_local_request, get_models_request
from codex_transform.proxy.passing import Passing, get_passing, start_passing
from codex_transform.proxy.websocket import get_socket
from codex_transform.request import Context, Transformed, transform
from codex_transform.request.call_ids import conversation_name
from codex_transform.request.changes import Action
from codex_transform.request.client_request import write_request
from codex_transform.response.request_members import request_members

logger = logging.getLogger(__name__)

_HISTORY = "What the request refers to is stored here, and is put before its own items."


class RequestTranslation:
    """Rewrites requests."""

    def __init__(
        self,
        config: Config,
        refresh: InstructionsRefresh,
        reader: RequestReader,
        stored: StoredResponses,
        log: RequestLog,
    ) -> None:
        self.config = config
        self.reader = reader
        self.stored = stored
        self.refresh = refresh
        self.log = log
        self._memory = Memory(config.values)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Redact the credentials of a request: mitmproxy shows and keeps it from here on."""
        if not flow.live:
            return  # a flow that mitmproxy shows from a file
        call, forward = get_call(flow), self.config.settings.forward_client_key
        socket = get_socket(flow)
        if call or socket or flow.response or get_local_request(flow) or get_models_request(flow):
            authorization = credentials.hide_credentials(flow.request.headers)
            if call and forward:
                call.forwarded = call.authorization = authorization or inherited_key(flow)
            elif socket and forward:
                socket.authorization = authorization
        elif isinstance(flow.client_conn.proxy_mode, ReverseMode) and get_passing(flow) and not forward:
            # The client believes that it talks to OpenAI, so the key that it sends is not meant for the endpoint.
            credentials.drop_credentials(flow.request.headers)
            self._pass_with_key(flow)

    def _pass_with_key(self, flow: http.HTTPFlow) -> None:
        """Add the endpoint's key to a request that is passed to it, unless anyone may use the proxy."""
        target = self.config.target_of(flow.request.host, flow.request.port)
        if target is None or is_open_proxy(self.config):
            return
        authorization = f"Bearer {target.key}"
        flow.request.headers["authorization"] = credentials.redacted_authorization(authorization)
        start_passing(flow, Passing(target.endpoint, authorization))

    async def request(self, flow: http.HTTPFlow) -> None:
        """Rewrite a request that has arrived completely."""
        call = get_call(flow)
        if call is None or flow.response:
            return
        self.log.log_request(flow, "before")
        try:
            await self._rewrite(flow, call)
        except ApiError as error:
            call.set_error(error)
        except Exception:
            logger.exception("rewriting a request failed; it was not sent")
            call.error = ApiError(500, "codex-transform failed on this request; its log says why")
        if call.error:
            flow.response = responses.error_response(call.error)
        else:
            self.log.log_request(flow, "after")

    def _attempts(self, failover: Failover, done: Transformed) -> CallAttempts:
        """Return the attempts of a call; edits learnt from earlier refusals are applied to its body."""
        settings, instructions = self.config.settings, self.refresh.instructions
        key = Key(failover.target.endpoint.url, done.body["model"], done.conversation)
        source = "client" if done.own_instructions else instructions.source(done.resolved, done.conversation)
        if settings.heal:
            for edit in apply_all(self._memory.edits(key), done.body, done.changes):
                source = edit.source if isinstance(edit, ReplaceInstructions) else source
        return CallAttempts(
            self._memory,
            key,
            Policy(settings.heal, settings.retries),
            done,
            lambda: [Instructions(*each) for each in instructions.codex_texts(done.resolved)],
            source,
            failover,
            settings.mode,
        )

    async def _learn(self, call: Call, body: dict[str, Any], session: str | None, client: Client) -> None:
        """Refresh the shared values that a call needs: one round trip, a second one for an unknown text."""
        resolved, conversation = _resolved(body), conversation_name(body, session)
        if client.is_codex:
            resolved = resolved._replace(slug=resolved.asked)  # its model is sent unchanged
        targets = self._targets(call)
        instructions, values = self.refresh.instructions, self.config.values
        keys = self.config.pool.keys(targets, conversation or call.members.get("id"))
        for target in targets:
            keys |= self._memory.keys(Key(target.endpoint.url, resolved.slug, conversation))
        await values.refresh(keys | instructions.keys(resolved, conversation))
        await values.refresh(instructions.text_keys(resolved, conversation))

    def _targets(self, call: Call) -> Sequence[Target]:
        """Return the targets that a call may go to. Raises ApiError 401 if no endpoint or no key is set."""
        if call.authorization:
            return (Target("", self.config.require_endpoint(), ""),)
        return self.config.require_targets()

    def _failover(self, call: Call, body: dict[str, Any], session: str | None) -> Failover:
        """Return the endpoints for a call. Raises ApiError 401 if no endpoint or no key is set."""
        targets = self._targets(call)
        conversation, slug = conversation_name(body, session), _resolved(body).slug
        target, reason = self.config.pool.choose(targets, conversation, slug) or (targets[0], "")

        def retarget(request: http.Request, other: Target) -> None:
            call.endpoint, call.authorization = other.endpoint, f"Bearer {other.key}"
            shown = credentials.redacted_authorization(call.authorization)
            _redirect(request, other.endpoint, call.subpath, shown)

        return Failover(self.config.pool, targets, target, reason, conversation, slug, retarget)

    def _originator(self, client: Client, fields: Iterable[Field]) -> str | None:
        """Return the originator to send instead of the client's own; None to keep that."""
        if client.is_codex:
            return None
        own = header(fields, b"originator")
        return self.config.settings.originator or (None if own else DEFAULT_ORIGINATOR)

    def _codex_instructions(self, endpoint: Endpoint, model: object) -> bool | None:
        """Return whether Codex's instructions are sent; None if the client decides."""
        settings = self.config.settings
        if settings.heal and isinstance(model, str):
            key = Key(endpoint.url, resolve(model).slug, None)
            if any(isinstance(edit, UseCodexInstructions) for edit in self._memory.edits(key)):
                return True
        return None if settings.instructions == "auto" else settings.instructions == "codex"

    async def _rewrite(self, flow: http.HTTPFlow, call: Call) -> None:
        fields = flow.request.headers.fields
        session = client_session(fields)
        request = self.reader.read(flow, call)
        call.original, body = request.content, request.body
        client = identify(fields, body)
        if not client.is_codex:
            call.said = request_members(body)
        root = await self.stored.prepare(call, body)
        if self.config.values.are_shared:
            await self._learn(call, body, session or root, client)
        # The first response of a chain stands for all of it.
        failover = self._failover(call, body, session or root or call.members.get("id"))
        endpoint = failover.target.endpoint
        call.authorization = call.authorization or f"Bearer {failover.target.key}"
        done = transform(
            body,
            Context(
                client,
                mode=self.config.settings.mode,
                options_for=self.config.opencode.options_for,
                instructions=self.refresh.instructions.text,
                session=session or root,
                compact=bool(call.subpath),
                codex_instructions=self._codex_instructions(endpoint, body.get("model")),
            ),
        )
        call.endpoint, call.transformed = endpoint, done
        self.reader.remember(flow, call)
        if root:
            done.changes.note("changed", "input", _HISTORY)
        call.attempts = self._attempts(failover, done)
        headers = codex_headers(
            authorization=credentials.redacted_authorization(call.authorization),
            originator=self._originator(client, fields),
            session=None if client.is_codex else session or done.conversation,
            streaming=not call.subpath,
        )
        kept = forwarded_request_headers(
            fields, headers, configured=self.config.opencode.header_names, is_codex=client.is_codex
        )
        _replace(flow.request, endpoint, call.subpath, [*kept, *headers], write_request(done.body))
        failover.sending()
        if self.config.settings.debug:
            logger.info(
                "%s: %s bytes · %s items · %s tools · instructions from %s · dropped: %s · added: %s · conversation %r",
                client.name,
                len(flow.request.raw_content or b""),
                len(done.body["input"]),
                len(done.body.get("tools", ())),
                call.attempts.source,
                _paths(done, "removed"),
                _paths(done, "added"),
                done.conversation,
            )


def _resolved(body: dict[str, Any]) -> Resolved:
    """Return the model of a request."""
    model = body.get("model")
    return resolve(model if isinstance(model, str) else "")


def _replace(request: http.Request, endpoint: Endpoint, below: str, headers: list[Field], content: bytes) -> None:
    """Replace the client's request by the endpoint's in one step: each of mitmproxy's setters also changes others."""
    data = request.data
    data.scheme, data.host, data.port = endpoint.scheme.encode(), endpoint.host, endpoint.port
    data.path = (endpoint.path + below).encode()
    data.content, data.trailers = content, None
    fields = [
        *headers,
        (b"Content-Length", b"%d" % len(content)),
    ]
    by_field = not (request.is_http2 or request.is_http3)
    if by_field:
        fields.insert(0, (b"Host", endpoint.authority.encode()))
    if data.authority or not by_field:
        request.authority = endpoint.authority
    data.headers = http.Headers(fields)


def _redirect(request: http.Request, endpoint: Endpoint, below: str, authorization: str) -> None:
    """Send a request that has been rewritten to another endpoint."""
    request.scheme, request.host, request.port = endpoint.scheme, endpoint.host, endpoint.port
    request.path = endpoint.path + below
    request.headers["authorization"] = authorization
    if request.is_http2 or request.is_http3:
        request.authority = endpoint.authority
    else:
        request.headers["host"] = endpoint.authority


def _paths(done: Transformed, action: Action) -> str:
    """Return the paths that were added or removed, for the log."""
    return ", ".join(change.path for change in done.changes.collect() if change.action == action) or "nothing"
