"""The content view as the installed mitmproxy uses it, for live flows and flows from files."""

import io
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mitmproxy import contentviews, flow, http, tcp
from mitmproxy import io as flow_io
from mitmproxy.test import taddons, tflow, tutils
from response.streams import answer, message, response, stream
from support import old_record

from codex_transform.errors import ApiError
from codex_transform.jsonio import to_plain
from codex_transform.proxy.addons.content_view import ContentViews
from codex_transform.request.changes import Change
from codex_transform.response.response_to_events import response_to_stream
from codex_transform.usage.record import Record, Tokens

# Its members depend on mitmproxy's version.
VIEWS: Any = contentviews

BODY = {"model": "gpt-5-codex", "input": "hello", "temperature": 1}
SENT = {
    "model": "gpt-5.1-codex",
    "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}],
    "instructions": "Text.",
    "store": False,
}
RECORD = Record(
    at=0,
    asked="gpt-5-codex",
    model="gpt-5.1-codex",
    tokens=Tokens(input=100, cached=50, output=7),
    changes=(Change("removed", "temperature", "Invented for this test."), Change("changed", "input[*].id", ".", 7)),
)


@pytest.fixture(autouse=True)
async def loaded() -> AsyncIterator[ContentViews]:
    addon = ContentViews()
    with taddons.context() as context:
        context.options.add_option("protobuf_definitions", object, None, "")
        addon.load(object())
        yield addon


def call(sent: bytes, received: bytes, metadata: bool = True, path: str = "/v1/responses") -> http.HTTPFlow:
    """A flow that the addon has translated."""
    headers = http.Headers(content_type="application/json")
    flow = tflow.tflow(
        req=tutils.treq(method=b"POST", path=path.encode(), content=sent, headers=headers),
        resp=tutils.tresp(content=received, headers=http.Headers(content_type="text/event-stream")),
    )
    if metadata:
        flow.metadata["codex"] = to_plain(RECORD)
        flow.metadata["codex_original"] = {"headers": [], "content": json.dumps(BODY).encode()}
    return flow


TRANSLATED = (json.dumps(SENT).encode(), stream(answer("Hello, world")))


def displayed(
    displayed_flow: flow.Flow, message: http.Message | tcp.TCPMessage | None, view: str = "auto"
) -> tuple[str, str]:
    """What mitmproxy shows: the name of the view that it chose, and the text."""
    assert message is not None
    if hasattr(VIEWS, "prettify_message"):
        pretty = VIEWS.prettify_message(message, displayed_flow, view)
        return str(pretty.view_name), str(pretty.text)
    description, lines, error = VIEWS.get_message_content_view(view, message, displayed_flow)
    assert error is None
    return str(description), "\n".join("".join(text for _, text in line) for line in lines)


def names() -> list[str]:
    registry = getattr(VIEWS, "registry", None)
    return list(registry) if registry is not None else [view.name.lower() for view in VIEWS.views]


def test_the_view_is_chosen_for_translated_flows() -> None:
    translated = call(*TRANSLATED)
    name, page = displayed(translated, translated.request)
    assert name == "Codex"
    assert "Model         gpt-5-codex → gpt-5.1-codex" in page
    assert "- temperature: 1\n    Invented for this test.\n" in page
    assert "~ input[*].id: 7 items" in page
    name, page = displayed(translated, translated.response)
    assert name == "Codex"
    assert "Tokens        100 in (50 cached, 50%) · 7 out" in page
    assert page.endswith("Hello, world")


def test_no_line_is_empty_because_mitmweb_gives_those_no_height() -> None:
    translated = call(*TRANSLATED)
    for each in (translated.request, translated.response):
        assert "\n\n" not in displayed(translated, each)[1]
        assert "\n \n" in displayed(translated, each)[1]


def test_the_view_is_chosen_for_translated_flows_without_metadata() -> None:
    translated = call(*TRANSLATED, metadata=False)
    assert displayed(translated, translated.request)[0] == "Codex"
    assert "Not known" in displayed(translated, translated.request)[1]
    assert displayed(translated, translated.response)[0] == "Codex"
    for body in (
        json.dumps(response([message()])).encode(),
        json.dumps(ApiError(400, "no").payload()).encode(),
        response_to_stream(response()),
    ):
        assert translated.response
        translated.response.content = body
        assert displayed(translated, translated.response)[0] == "Codex"


@pytest.mark.parametrize(
    ("path", "sent", "received"),
    [
        ("/v1/chat/completions", *TRANSLATED),
        ("/v1/responses", b"", b""),
        ("/v1/responses", b'{"a": 1}', b'{"b": 1}'),
        ("/v1/responses", b"<html>", b"<html>"),
        ("/v1/responses", b"event: response.created", b"data: hello\n\n"),
    ],
)
def test_the_view_is_not_chosen_for_other_flows(path: str, sent: bytes, received: bytes) -> None:
    other = call(sent, received, metadata=False, path=path)
    assert displayed(other, other.request)[0] != "Codex"
    assert displayed(other, other.response)[0] != "Codex"


def test_the_view_is_not_chosen_for_tcp() -> None:
    other = tflow.ttcpflow()
    assert displayed(other, other.messages[0])[0] != "Codex"


def test_chosen_by_hand_the_view_shows_anything() -> None:
    other = call(b"\x00\x01", b"", metadata=False, path="/")
    for each in (other.request, other.response):
        assert displayed(other, each, "codex")[1]


@pytest.mark.parametrize("saved", [None, 7, {}, {"id": 1}, {"at": "soon"}, [], "x"])
def test_invalid_metadata_is_ignored(saved: Any) -> None:
    translated = call(*TRANSLATED)
    translated.metadata.update(codex=saved, codex_original=saved)
    assert displayed(translated, translated.request)[0] == "Codex"
    assert displayed(translated, translated.response)[1].endswith("Hello, world")


@pytest.mark.parametrize("old", [False, True])
def test_a_flow_from_a_file_shows_the_same(old: bool) -> None:
    translated = call(*TRANSLATED)
    if old:  # as written by a release that did not note changes
        del translated.metadata["codex"]["changes"]
    file = io.BytesIO()
    flow_io.FlowWriter(file).add(translated)
    file.seek(0)
    (loaded_flow,) = flow_io.FlowReader(file).stream()
    assert isinstance(loaded_flow, http.HTTPFlow)
    assert loaded_flow.response
    assert displayed(loaded_flow, loaded_flow.request) == displayed(translated, translated.request)
    assert displayed(loaded_flow, loaded_flow.response) == displayed(translated, translated.response)


def test_the_view_shows_flows_of_the_first_release() -> None:
    translated = call(*TRANSLATED)
    translated.metadata["codex"] = old_record.RECORD
    file = io.BytesIO()
    flow_io.FlowWriter(file).add(translated)
    file.seek(0)
    (loaded_flow,) = flow_io.FlowReader(file).stream()
    assert isinstance(loaded_flow, http.HTTPFlow)
    name, page = displayed(loaded_flow, loaded_flow.request)
    assert name == "Codex"
    assert "gpt-5-codex → gpt-5.1-codex" in page
    assert "Codex CLI, release rust-v0.169.0" in page
    name, page = displayed(loaded_flow, loaded_flow.response)
    assert name == "Codex"
    assert "12,345" in page
    assert "effort high → low by the client: 11.3k not cached" in page


def test_the_view_is_registered_once(loaded: ContentViews) -> None:
    """A script may be loaded again, and mitmproxy 12 has no way to remove a view."""
    loaded.load(object())
    ContentViews().load(object())
    assert names().count("codex") == 1


def test_control_characters_are_replaced() -> None:
    translated = call(TRANSLATED[0], response_to_stream(response([message("<b>\x1b[31m\x9b\u202e")])))
    assert displayed(translated, translated.response)[1].endswith("<b>\ufffd[31m\ufffd\ufffd")


def test_a_large_response_does_not_block_mitmproxy() -> None:
    translated = call(TRANSLATED[0], stream(answer("word and word " * 40_000, cuts=14_000)))
    began = time.process_time()
    assert displayed(translated, translated.response)[0] == "Codex"
    assert time.process_time() - began < 1.5  # 0.1 s on an idle machine
