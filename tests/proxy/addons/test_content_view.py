"""The content view as mitmproxy uses it, in the version at hand: for flows as they are live and out of a file."""

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

# What is in it depends on mitmproxy's version.
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


def call(sent: bytes, answered: bytes, metadata: bool = True, path: str = "/v1/responses") -> http.HTTPFlow:
    """A flow of ours."""
    headers = http.Headers(content_type="application/json")
    made = tflow.tflow(
        req=tutils.treq(method=b"POST", path=path.encode(), content=sent, headers=headers),
        resp=tutils.tresp(content=answered, headers=http.Headers(content_type="text/event-stream")),
    )
    if metadata:
        made.metadata["codex"] = to_plain(RECORD)
        made.metadata["codex_original"] = {"headers": [], "content": json.dumps(BODY).encode()}
    return made


OURS = (json.dumps(SENT).encode(), stream(answer("Hello, world")))


def shown(of: flow.Flow, message: http.Message | tcp.TCPMessage | None, view: str = "auto") -> tuple[str, str]:
    """What mitmproxy shows: the name of the view that it has chosen, and the text."""
    assert message is not None
    if hasattr(VIEWS, "prettify_message"):
        pretty = VIEWS.prettify_message(message, of, view)
        return str(pretty.view_name), str(pretty.text)
    description, lines, error = VIEWS.get_message_content_view(view, message, of)
    assert error is None
    return str(description), "\n".join("".join(text for _, text in line) for line in lines)


def names() -> list[str]:
    known = getattr(VIEWS, "registry", None)
    return list(known) if known is not None else [view.name.lower() for view in VIEWS.views]


def test_it_is_picked_for_our_flows() -> None:
    ours = call(*OURS)
    name, page = shown(ours, ours.request)
    assert name == "Codex"
    assert "Model         gpt-5-codex → gpt-5.1-codex" in page
    assert "- temperature: 1\n    Invented for this test.\n" in page
    assert "~ input[*].id: 7 items" in page
    name, page = shown(ours, ours.response)
    assert name == "Codex"
    assert "Tokens        100 in (50 cached, 50%) · 7 out" in page
    assert page.endswith("Hello, world")


def test_no_line_is_empty_for_mitmweb_gives_those_no_height() -> None:
    ours = call(*OURS)
    for each in (ours.request, ours.response):
        assert "\n\n" not in shown(ours, each)[1]
        assert "\n \n" in shown(ours, each)[1]


def test_it_is_picked_for_our_flows_that_have_no_metadata() -> None:
    ours = call(*OURS, metadata=False)
    assert shown(ours, ours.request)[0] == "Codex"
    assert "Not known" in shown(ours, ours.request)[1]
    assert shown(ours, ours.response)[0] == "Codex"
    for body in (
        json.dumps(response([message()])).encode(),
        json.dumps(ApiError(400, "no").payload()).encode(),
        response_to_stream(response()),
    ):
        assert ours.response
        ours.response.content = body
        assert shown(ours, ours.response)[0] == "Codex"


@pytest.mark.parametrize(
    ("path", "sent", "answered"),
    [
        ("/v1/chat/completions", *OURS),
        ("/v1/responses", b"", b""),
        ("/v1/responses", b'{"a": 1}', b'{"b": 1}'),
        ("/v1/responses", b"<html>", b"<html>"),
        ("/v1/responses", b"event: response.created", b"data: hello\n\n"),
    ],
)
def test_it_is_never_picked_for_others(path: str, sent: bytes, answered: bytes) -> None:
    other = call(sent, answered, metadata=False, path=path)
    assert shown(other, other.request)[0] != "Codex"
    assert shown(other, other.response)[0] != "Codex"


def test_it_is_never_picked_for_what_is_no_http() -> None:
    other = tflow.ttcpflow()
    assert shown(other, other.messages[0])[0] != "Codex"


def test_chosen_by_hand_it_shows_anything() -> None:
    other = call(b"\x00\x01", b"", metadata=False, path="/")
    for each in (other.request, other.response):
        assert shown(other, each, "codex")[1]


@pytest.mark.parametrize("saved", [None, 7, {}, {"id": 1}, {"at": "soon"}, [], "x"])
def test_odd_metadata_does_no_harm(saved: Any) -> None:
    ours = call(*OURS)
    ours.metadata.update(codex=saved, codex_original=saved)
    assert shown(ours, ours.request)[0] == "Codex"
    assert shown(ours, ours.response)[1].endswith("Hello, world")


@pytest.mark.parametrize("old", [False, True])
def test_a_flow_out_of_a_file_shows_the_same(old: bool) -> None:
    ours = call(*OURS)
    if old:  # as a release wrote it that did not note changes
        del ours.metadata["codex"]["changes"]
    file = io.BytesIO()
    flow_io.FlowWriter(file).add(ours)
    file.seek(0)
    (again,) = flow_io.FlowReader(file).stream()
    assert isinstance(again, http.HTTPFlow)
    assert again.response
    assert shown(again, again.request) == shown(ours, ours.request)
    assert shown(again, again.response) == shown(ours, ours.response)


def test_a_flow_file_of_the_first_release_shows_its_view() -> None:
    ours = call(*OURS)
    ours.metadata["codex"] = old_record.RECORD
    file = io.BytesIO()
    flow_io.FlowWriter(file).add(ours)
    file.seek(0)
    (again,) = flow_io.FlowReader(file).stream()
    assert isinstance(again, http.HTTPFlow)
    name, page = shown(again, again.request)
    assert name == "Codex"
    assert "gpt-5-codex → gpt-5.1-codex" in page
    assert "Codex CLI, release rust-v0.169.0" in page
    name, page = shown(again, again.response)
    assert name == "Codex"
    assert "12,345" in page
    assert "effort high → low by the client: 11.3k not cached" in page


def test_it_is_registered_once(loaded: ContentViews) -> None:
    """A script may be loaded again, and mitmproxy 12 has no way to remove a view."""
    loaded.load(object())
    ContentViews().load(object())
    assert names().count("codex") == 1


def test_controls_and_html_do_not_get_out() -> None:
    ours = call(OURS[0], response_to_stream(response([message("<b>\x1b[31m\x9b\u202e")])))
    assert shown(ours, ours.response)[1].endswith("<b>\ufffd[31m\ufffd\ufffd")


def test_a_large_answer_does_not_hold_up_mitmproxy() -> None:
    ours = call(OURS[0], stream(answer("word and word " * 40_000, cuts=14_000)))
    begun = time.process_time()
    assert shown(ours, ours.response)[0] == "Codex"
    assert time.process_time() - begun < 1.5  # 0.1 s on an idle machine
