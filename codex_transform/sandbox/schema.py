"""From a JSON Schema to a value that fits it, where a model would have thought of something.

Strategy: the least that fits, by the keywords that clients use: references, alternatives, enumerations, types, required
members, the smallest lengths and numbers.
"""

from collections.abc import Mapping
from typing import Any

_NEUTRAL: dict[str, Any] = {
    "string": "sandbox",
    "integer": 1,
    "number": 1,
    "boolean": False,
    "array": [],
    "object": {},
    "null": None,
}
_DEEPEST = 20


def example(rule: object, root: Mapping[str, Any], depth: int = 0) -> Any:
    """Return a value that fits `rule`, a part of the schema `root`."""
    # In JSON Schema a rule may be just `true`, and may contain itself.
    if not isinstance(rule, Mapping) or depth > _DEEPEST:
        return None
    if isinstance(reference := rule.get("$ref"), str):
        return example(_referred(reference, root), root, depth + 1)
    if "const" in rule:
        return rule["const"]
    if isinstance(values := rule.get("enum"), list) and values:
        return values[0]
    for name in ("anyOf", "oneOf", "allOf"):
        if isinstance(choices := rule.get(name), list) and choices:
            return example(choices[0], root, depth + 1)
    kind = kind_of(rule)
    if kind == "object":
        properties, required = rule.get("properties"), rule.get("required")
        rules = properties if isinstance(properties, Mapping) else {}
        names = required if isinstance(required, list) else ()
        return {name: example(rules.get(name), root, depth + 1) for name in names}
    if kind == "array":
        least = rule.get("minItems")
        return [example(rule.get("items"), root, depth + 1)] * (least if isinstance(least, int) else 0)
    if kind in ("integer", "number"):
        return rule.get("minimum", _NEUTRAL[kind])
    return _NEUTRAL.get(kind)


def kind_of(rule: Mapping[str, Any]) -> str:
    """Return the type that a rule asks for, the first of several."""
    kind = rule.get("type", "object" if "properties" in rule else "null")
    return str(kind[0] if isinstance(kind, list) and kind else kind)


def _referred(reference: str, root: Any) -> Any:
    for name in reference.removeprefix("#").strip("/").split("/"):
        root = root.get(name) if isinstance(root, Mapping) else None
    return root
