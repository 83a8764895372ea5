"""The benchmark's arithmetic, and the other gateways that it compares with."""

import json
import shlex

import pytest
from bench_client import Connection, Target
from bench_peers import PEERS, Peer
from bench_table import ADDON, BARE, Result, side_by_side
from support.running import ROOT


def test_results_of_proxies_are_columns_of_a_table() -> None:
    small, lost = Result("small", "a small call", "ms"), Result("streams", "events lost", "%")
    for name, figures in ((ADDON, (4.0, 4.2, 4.4)), (BARE, (3.0, 3.0, 3.0)), ("other", (20.0, 21.0, 30.0))):
        for figure in figures:
            small.add(name, figure)
    lost.add("other", 0.0)
    head, first, second = side_by_side([small, lost]).splitlines()
    assert head.split() == [ADDON, BARE, "other"]
    assert first.split() == ["a", "small", "call,", "ms", "4.20", "±2%", "3.00", "±0%", "21.0", "±12%"]
    # Cells without a measurement are empty.
    assert second.index("0 ±0%") == head.index("other")


def test_results_can_be_written_as_json() -> None:
    result = Result("memory", "memory", "MB")
    result.add(ADDON, 88.0)
    assert json.loads(json.dumps(result.as_dict()))["medians"] == {ADDON: 88.0}


@pytest.mark.parametrize("peer", PEERS, ids=[peer.name for peer in PEERS])
def test_a_gateway_is_installed_where_it_is_searched_for(peer: Peer) -> None:
    make_folder, install = peer.install_command.split(" && ")
    folder = shlex.split(make_folder)[-1]
    assert str(peer.path).startswith(str(ROOT / folder))
    assert f"{peer.requirement}=={peer.version}" in shlex.split(install)
    assert json.dumps(peer.config("http://127.0.0.1:1/v1")).count("http://127.0.0.1:1/v1") == 1


def test_events_are_counted_however_a_gateway_encodes_them() -> None:
    """One gateway omits the names of events, one puts spaces into the JSON, and both add their own end mark."""
    connection = Connection.__new__(Connection)
    connection.target = Target("other", 1, "/v1/responses", 1)
    body = b'data: {"type":"a"}\n\nevent: b\ndata: {"delta": "1234567890123456789"}\n\ndata: [DONE]\n\n'
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    connection.received = [(2e9, head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))]
    assert connection.events() == 2
    assert [sent for sent, _ in connection.delays()] == [1234567890.123456789]
