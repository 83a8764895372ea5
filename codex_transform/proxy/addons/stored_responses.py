"""Addon: stores responses, and answers requests for what is stored.

An endpoint of Codex stores nothing, so a request that refers to an earlier response gets its history here, before it is
rewritten, and the response is stored before the client has its last event. See `codex_transform/state`.
"""

import logging
from typing import Any

from mitmproxy import http

from codex_transform.errors import ApiError, bad_request
from codex_transform.jsonio import dumps, parse_request
from codex_transform.proxy import responses
from codex_transform.proxy.addons.shared_state import SharedState
from codex_transform.proxy.bodies import decoded_body
from codex_transform.proxy.call import Call
from codex_transform.proxy.local_request import LocalRequest, get_local_request
from codex_transform.state import history
from codex_transform.state.api import Query
from codex_transform.state.conversations import Conversations
from codex_transform.state.history import References
from codex_transform.state.ids import new_id
from codex_transform.state.responses import Responses, StoredResponse
from codex_transform.state.store import Layered, Store

logger = logging.getLogger(__name__)

FAILED = ApiError(500, "codex-transform failed on this request; its log says why")


class StoredResponses:
    """Stores responses in the place set by `codex_state`."""

    def __init__(self, state: SharedState) -> None:
        self.state = state

    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer a request for something stored."""
        local = get_local_request(flow)
        if local is None or flow.response:
            return
        try:
            flow.response = responses.json_response(200, dumps(await self._answer(flow, local)))
        except ApiError as error:
            flow.response = responses.error_response(error)
        except Exception:
            logger.exception("answering from what is stored failed")
            flow.response = responses.error_response(FAILED)

    async def prepare(self, call: Call, body: dict[str, Any]) -> str | None:
        """Insert the history before a request's input, and arrange for its response to be stored.

        Returns what identifies the conversation; None if the request refers to nothing. Raises ApiError for a request
        that refers to something that is not stored.
        """
        field, shared, local = history.refers(body), self.state.store, call.connection_store
        wanted = shared is not None and body.get("store") is not False and not call.subpath
        stored = wanted or local is not None
        if shared is None and (local is None or body.get("conversation") is not None):
            if field:
                raise bad_request(
                    f"`{field}` refers to something stored, and codex_state is off: send the whole conversation as"
                    " `input`, or set codex_state to memory or disk",
                    field,
                )
            return None
        known, conversations = self.known(call.owner, local, wanted=wanted)
        named = history.input_ids(body) if stored else []
        references = await self.resolve(call.owner, body, known, conversations) if field else References()
        response_id = (call.response_id or new_id("resp")) if stored else None
        call.members = _members(references, response_id, wanted=wanted)
        if call.response_id:
            call.members["background"] = True
        original = call.original or b""

        def store_response(response: dict[str, Any]) -> None:
            failed = response.get("status") == "failed"
            if failed and call.response_id:
                call.failed = response  # the request may be sent again
            else:
                self.state.submit(call.owner, lambda: store(response, failed=failed))

        def store(response: dict[str, Any], *, failed: bool) -> None:
            answered = StoredResponse(response, original, references.previous, references.conversation)
            if stored:
                known.put(answered, named)
            if references.conversation and not failed:
                own = (history.item_or_reference(item, known) for item in answered.input)
                conversations.append(references.conversation, (*own, *answered.output))

        if stored or references.conversation:
            call.on_response = store_response
        return references.root

    async def resolve(
        self, owner: str, body: dict[str, Any], responses: Responses, conversations: Conversations
    ) -> References:
        """Insert the history before the input of `body`, in place. Raises ApiError as `history.resolve` does."""

        def work() -> tuple[References, dict[str, Any]]:
            resolved = dict(body)
            return history.resolve(resolved, responses, conversations), resolved

        references, resolved = await self.state.run(owner, work)
        body.clear()
        body.update(resolved)
        return references

    def known(self, owner: str, local: Store | None, *, wanted: bool) -> tuple[Responses, Conversations]:
        """Return the responses and conversations that an owner may refer to; `local` is the store of its connection.

        New responses are stored there, unless they are `wanted` for longer. At least one of the two stores must exist.
        """
        shared = self.state.store
        stores = [store for store in (local, shared) if store is not None]
        known = Layered(stores, stores[-1] if wanted else stores[0])
        return Responses(known, owner), Conversations(stores[-1], owner)

    async def _answer(self, flow: http.HTTPFlow, local: LocalRequest) -> dict[str, Any]:
        store = self.state.store
        if store is None:
            raise bad_request("codex_state is off: nothing is stored. Set it to memory or disk")
        content = decoded_body(flow.request)
        body = parse_request(content) if content.strip() else {}
        query = Query(
            Responses(store, local.owner),
            Conversations(store, local.owner),
            local.ids,
            dict(flow.request.query.items()),
            body,
        )
        return await self.state.run(local.owner, lambda: local.answer(query))


def _members(references: References, response_id: str | None, *, wanted: bool) -> dict[str, Any]:
    """Return what the endpoint does not know of the response. Some endpoints give the same id to all."""
    members: dict[str, Any] = {"id": response_id} if response_id else {}
    if wanted:
        members["store"] = True
    if response_id or references.previous:
        members["previous_response_id"] = references.previous
    if references.conversation:
        members["conversation"] = {"id": references.conversation}
    return members
