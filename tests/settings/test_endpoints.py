"""The list of endpoints in the config file."""

import json
from pathlib import Path
from typing import Any

import pytest

from codex_transform.opencode.config import OpenCodeConfig
from codex_transform.settings.endpoint_list import list_endpoints, remove_endpoint, remove_keys, save_endpoint
from codex_transform.settings.endpoints import EndpointSettings, read_endpoints
from codex_transform.settings.loader import LoadedSettings, load

ONE = {"name": "one", "baseURL": "https://one.example", "apiKey": "sk-one-0123456789"}
TWO = {"name": "two", "baseURL": "https://two.example/v1", "apiKey": "sk-two-0123456789", "weight": 2, "priority": 1}


def load_document(file: Path, document: dict[str, Any], **environ: str) -> LoadedSettings:
    file.write_text(json.dumps(document))
    file.chmod(0o600)
    return load({}, environ, file, OpenCodeConfig())


def test_a_list_of_endpoints_replaces_the_base_url_beside_it(tmp_path: Path) -> None:
    result = load_document(tmp_path / "c.json", {"endpoints": [ONE, TWO], "baseURL": "https://other.example"})
    assert result.problems == ()
    assert [each.name for each in result.endpoints] == ["one", "two"]
    assert result.endpoints[1].endpoint.url == "https://two.example/v1/responses"
    assert (result.endpoints[1].weight, result.endpoints[1].priority) == (2, 1)
    assert result.settings.base_url == "https://one.example"
    assert result.sources["base_url"].startswith("one of endpoints in ")


def test_a_source_of_higher_precedence_replaces_the_list(tmp_path: Path) -> None:
    result = load_document(tmp_path / "c.json", {"endpoints": [ONE]}, CODEX_BASE_URL="https://env.example")
    assert result.endpoints == ()
    assert result.settings.base_url == "https://env.example"
    (problem,) = result.problems
    assert problem.warning
    assert "CODEX_BASE_URL" in problem.message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "must be a list"),
        ([1], "entry 0 must be an object"),
        ([{**ONE, "name": "with space"}], "entry 0, name: must be up to 40 letters"),
        ([ONE, {**TWO, "baseURL": "ftp://x"}], "entry 1, baseURL: the scheme is 'ftp'"),
        ([{**ONE, "apiKey": "two words"}], "entry 0, apiKey"),
        ([{**ONE, "apiKey": 5000 * "k"}], "entry 0, apiKey: must be the key alone, up to 4,096 characters"),
        ([{**ONE, "weight": 0}], "entry 0, weight"),
        ([{**ONE, "wieght": 1}], "entry 0, wieght: there is no such member"),
        ([ONE, {**TWO, "name": "one"}], "two endpoints have the name 'one'"),
        ([{"name": "x", "apiKey": "sk-1"}], "entry 0, baseURL"),
    ],
)
def test_an_invalid_list_is_a_problem_and_no_endpoint_is_used(tmp_path: Path, value: Any, words: str) -> None:
    result = load_document(tmp_path / "c.json", {"endpoints": value, "baseURL": "https://other.example"})
    assert result.endpoints == ()
    assert result.settings.base_url is None, "a call must not go elsewhere than the user thinks"
    (problem,) = result.problems
    assert words in problem.message
    assert "endpoints in " in problem.message
    assert "sk-" not in problem.message


def test_endpoints_are_saved_and_removed_by_name(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    load_document(file, {"baseURL": "https://first.example", "apiKey": "sk-first-0123456789", "mine": 1})
    (two,) = read_endpoints([TWO])
    save_endpoint(file, two)
    document = json.loads(file.read_text())
    assert [each["name"] for each in document["endpoints"]] == ["default", "two"]
    assert document["endpoints"][1] == TWO
    assert document["mine"] == 1
    save_endpoint(file, EndpointSettings.model_validate({**TWO, "weight": 5}))
    assert [each.get("weight") for each in json.loads(file.read_text())["endpoints"]] == [None, 5]
    assert remove_endpoint(file, "two")
    assert not remove_endpoint(file, "two")
    assert remove_endpoint(file, "default")
    assert "endpoints" not in json.loads(file.read_text())


def test_members_of_a_saved_endpoint_stay_unless_they_are_given(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    load_document(file, {"endpoints": [ONE, {**TWO, "models": ["gpt-5.2"]}]})
    given = {name: TWO[name] for name in ("name", "baseURL", "apiKey")} | {"weight": 1}
    save_endpoint(file, EndpointSettings.model_validate(given))
    assert json.loads(file.read_text())["endpoints"] == [ONE, {**TWO, "weight": 1, "models": ["gpt-5.2"]}]


def test_the_base_url_and_the_key_outside_of_the_list_change_with_the_default(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    load_document(file, {"mine": 1, "baseURL": "https://first.example", "apiKey": "sk-first-0123456789"})
    for entry in (TWO, {**ONE, "name": "default"}):
        save_endpoint(file, EndpointSettings.model_validate(entry))
    document = json.loads(file.read_text())
    assert (document["baseURL"], document["apiKey"]) == (ONE["baseURL"], ONE["apiKey"])
    assert remove_endpoint(file, "default")
    assert json.loads(file.read_text()) == {"mine": 1, "endpoints": [TWO]}


@pytest.mark.parametrize("empty", [None, [], ""])
def test_an_empty_list_is_none(tmp_path: Path, empty: object) -> None:
    file = tmp_path / "c.json"
    load_document(file, {"endpoints": empty, "baseURL": ONE["baseURL"], "apiKey": ONE["apiKey"]})
    assert list_endpoints(file) == ()
    save_endpoint(file, EndpointSettings.model_validate(TWO))
    assert [each.name for each in list_endpoints(file)] == ["default", "two"]


def test_what_is_no_list_is_an_error(tmp_path: Path) -> None:
    load_document(tmp_path / "c.json", {"endpoints": {}})
    with pytest.raises(ValueError, match=r"endpoints in .*c\.json: must be a list"):
        list_endpoints(tmp_path / "c.json")


def test_nothing_is_written_for_a_name_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    assert not remove_endpoint(file, "two")
    assert remove_keys(file) == []
    assert not file.exists()


@pytest.mark.parametrize(
    ("document", "names", "left"),
    [
        ({"apiKey": "sk-1", "baseURL": "https://h"}, ["default"], {"baseURL": "https://h"}),
        ({"endpoints": [TWO, ONE]}, ["two", "one"], {"baseURL": TWO["baseURL"]}),
        (
            {"apiKey": "sk-1", "baseURL": "https://h", "endpoints": [ONE]},
            ["default", "one"],
            {"baseURL": ONE["baseURL"]},
        ),
        ({"baseURL": "https://h", "endpoints": [{**ONE, "weight": 0}]}, ["endpoints"], {"baseURL": "https://h"}),
    ],
)
def test_all_keys_are_removed_and_the_base_url_in_use_stays(
    tmp_path: Path, document: dict[str, Any], names: list[str], left: dict[str, Any]
) -> None:
    file = tmp_path / "c.json"
    load_document(file, {"mine": [1], **document})
    assert remove_keys(file) == names
    assert json.loads(file.read_text()) == {"mine": [1], **left}
