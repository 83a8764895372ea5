"""Change the list of endpoints in the config file, which `endpoints.py` reads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from codex_transform.fsutil import write_private
from codex_transform.jsonio import dumps
from codex_transform.settings.endpoints import EndpointSettings, read_endpoints, to_json
from codex_transform.settings.loader import ENDPOINTS, read_document


def save_endpoint(config_file: Path, endpoint: EndpointSettings) -> None:
    """Add an endpoint to the config file's list, or replace the one of its name. Raises as `loader.save` does.

    An endpoint that the file has outside of a list becomes the first of it, with the name `default`.
    """

    def put(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        entry = to_json(endpoint)
        names = [each.get("name") for each in entries]
        if endpoint.name not in names:
            return [*entries, entry]
        return [{**each, **entry} if each.get("name") == endpoint.name else each for each in entries]

    _change_endpoints(config_file, put)


def remove_endpoint(config_file: Path, name: str) -> bool:
    """Remove an endpoint from the config file's list; return whether it was there. Raises as `loader.save` does."""
    removed = False

    def drop(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        nonlocal removed
        left = [each for each in entries if each.get("name") != name]
        removed = len(left) < len(entries)
        return left

    _change_endpoints(config_file, drop)
    return removed


def _change_endpoints(config_file: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    try:
        document = read_document(config_file)
    except ValueError as error:
        raise ValueError(f"nothing was saved: {error}") from None
    entries = document.get(ENDPOINTS, [])
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise ValueError(f"nothing was saved: {ENDPOINTS} in {config_file} must be a list of objects")
    first = {name: document[name] for name in ("baseURL", "apiKey") if document.get(name)}
    if ENDPOINTS not in document and len(first) == 2:
        entries = [{"name": "default", **first}]
    changed = change(entries)
    if changed:
        read_endpoints(changed)
        document[ENDPOINTS] = changed
    else:
        document.pop(ENDPOINTS, None)
    write_private(config_file, dumps(document, indent=2) + b"\n")
