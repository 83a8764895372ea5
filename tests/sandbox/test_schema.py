"""Example values for a JSON schema."""

from typing import Any

import pytest

from codex_transform.sandbox.schema import example

ROOT = {"$defs": {"word": {"type": "string"}, "loop": {"$ref": "#/$defs/loop"}}}


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ({"type": "string"}, "sandbox"),
        ({"type": ["number", "null"]}, 1),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "boolean"}, False),
        ({"type": "null"}, None),
        ({"const": "x"}, "x"),
        ({"enum": ["a", "b"]}, "a"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "sandbox"),
        ({"$ref": "#/$defs/word"}, "sandbox"),
        ({"$ref": "#/$defs/none"}, None),
        ({"$ref": "#/$defs/loop"}, None),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": "array", "items": {"$ref": "#/$defs/word"}, "minItems": 1}, ["sandbox"]),
        ({"properties": {"a": {"type": "string"}, "b": True}, "required": ["a"]}, {"a": "sandbox"}),
        ({"type": "object", "required": ["a"]}, {"a": None}),
        (True, None),
    ],
)
def test_an_example_fits_the_schema(rule: Any, value: Any) -> None:
    assert example(rule, ROOT) == value
