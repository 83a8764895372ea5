"""The list of endpoints in the config file."""

import json
from pathlib import Path
from typing import Any

import pytest

from codex_transform.opencode.config import OpenCodeConfig
from codex_transform.settings.endpoint_list import remove_endpoint, save_endpoint
from codex_transform.settings.endpoints import EndpointSettings, read_endpoints
from codex_transform.settings.loader import LoadedSettings, load

ONE = {"name": "one", "baseURL": "https://one.example", "apiKey": "sk-one-0123456789"}
TWO = {"name": "two", "baseURL": "https://two.example/v1", "apiKey": "sk-two-0123456789", "weight": 2, "priority": 1}


def loaded(file: Path, document: dict[str, Any], **environ: str) -> LoadedSettings:
    file.write_text(json.dumps(document))
    file.chmod(0o600)
    return load({}, environ, file, OpenCodeConfig())


def test_a_list_of_endpoints(tmp_path: Path) -> None:
    found = loaded(tmp_path / "c.json", {"endpoints": [ONE, TWO], "baseURL": "https://other.example"})
    assert found.problems == ()
    assert [each.name for each in found.endpoints] == ["one", "two"]
    assert found.endpoints[1].endpoint.url == "https://two.example/v1/responses"
    assert (found.endpoints[1].weight, found.endpoints[1].priority) == (2, 1)
    assert found.settings.base_url == "https://one.example"
    assert found.sources["base_url"].startswith("one of endpoints in ")


def test_a_nearer_source_goes_before_the_list(tmp_path: Path) -> None:
    found = loaded(tmp_path / "c.json", {"endpoints": [ONE]}, CODEX_BASE_URL="https://env.example")
    assert found.endpoints == ()
    assert found.settings.base_url == "https://env.example"
    (problem,) = found.problems
    assert problem.warning
    assert "CODEX_BASE_URL" in problem.message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "must be a list"),
        ([1], "entry 0 must be an object"),
        ([{**ONE, "name": "with space"}], "entry 0, name"),
        ([ONE, {**TWO, "baseURL": "ftp://x"}], "entry 1, baseURL: the scheme is 'ftp'"),
        ([{**ONE, "apiKey": "two words"}], "entry 0, apiKey"),
        ([{**ONE, "weight": 0}], "entry 0, weight"),
        ([{**ONE, "wieght": 1}], "entry 0, wieght: there is no such member"),
        ([ONE, {**TWO, "name": "one"}], "two endpoints have the name 'one'"),
        ([{"name": "x", "apiKey": "sk-1"}], "entry 0, baseURL"),
    ],
)
def test_a_list_that_cannot_be_used(tmp_path: Path, value: Any, words: str) -> None:
    found = loaded(tmp_path / "c.json", {"endpoints": value, "baseURL": "https://other.example"})
    assert found.endpoints == ()
    assert found.settings.base_url is None, "a call must not go elsewhere than the user thinks"
    (problem,) = found.problems
    assert words in problem.message
    assert "endpoints in " in problem.message
    assert "sk-" not in problem.message


def test_saving_and_removing(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    loaded(file, {"baseURL": "https://first.example", "apiKey": "sk-first-0123456789", "mine": 1})
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
