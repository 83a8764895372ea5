"""Change the list of endpoints in the config file, which `endpoints.py` reads, and remove the keys of that file."""

from pathlib import Path
from typing import Any

from codex_transform.fsutil import write_private
from codex_transform.jsonio import dumps
from codex_transform.settings.endpoints import EndpointSettings, read_endpoints, to_json
from codex_transform.settings.loader import ENDPOINTS, is_unset, read_document, read_document_to_change

DEFAULT_NAME = "default"
"""The name that the endpoint outside of the list gets in it."""

_OUTSIDE = {"baseURL", "apiKey"}


def list_endpoints(config_file: Path) -> tuple[EndpointSettings, ...]:
    """Return the endpoints of the config file's list, none without one. Raises ValueError for a bad list."""
    entries = read_document(config_file).get(ENDPOINTS)
    try:
        return () if is_unset(entries) else read_endpoints(entries)
    except ValueError as error:
        raise ValueError(f"{ENDPOINTS} in {config_file}: {error}") from None


def save_endpoint(config_file: Path, endpoint: EndpointSettings) -> None:
    """Add an endpoint to the config file's list, or replace the one of its name. Raises as `loader.save` does.

    An endpoint that the file has outside of a list becomes the first of it, with the name `default`. A copy stays
    outside, for when the environment sets only a key or only a base URL, so that the list is not used.
    """
    document, entries = _read(config_file)
    entry = to_json(endpoint)
    if endpoint.name in [each.get("name") for each in entries]:
        entries = [{**each, **entry} if each.get("name") == endpoint.name else each for each in entries]
    else:
        entries = [*entries, entry]
    _write(config_file, document, entries, endpoint.name)


def remove_endpoint(config_file: Path, name: str) -> bool:
    """Remove an endpoint from the config file; return whether it was there. Raises as `loader.save` does."""
    document, entries = _read(config_file)
    left = [each for each in entries if each.get("name") != name]
    if len(left) == len(entries):
        return False
    _write(config_file, document, left, name)
    return True


def remove_keys(config_file: Path) -> list[str]:
    """Remove all keys from the config file, and the list of endpoints; return the names of those that had the keys.

    The base URL that was in use, of the first endpoint in the list, stays. The endpoint outside of the list is called
    `default`, a list that cannot be used `endpoints` as a whole. Raises as `loader.save` does.
    """
    document = read_document_to_change(config_file)
    names = [DEFAULT_NAME] if document.get("apiKey") else []
    if entries := document.pop(ENDPOINTS, None):
        try:
            endpoints = read_endpoints(entries)
        except ValueError:
            names.append(ENDPOINTS)
        else:
            document["baseURL"] = endpoints[0].base_url
            names += [each.name for each in endpoints if each.name not in names]
    document.pop("apiKey", None)
    if names:
        write_private(config_file, dumps(document, indent=2) + b"\n")
    return names


def _read(config_file: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what the config file holds, and its list; without one, the endpoint outside of it as the only entry."""
    document = read_document_to_change(config_file)
    entries = [] if is_unset(document.get(ENDPOINTS)) else document[ENDPOINTS]
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise ValueError(f"nothing was saved: {ENDPOINTS} in {config_file} must be a list of objects")
    outside = {name: value for name, value in document.items() if name in _OUTSIDE and value}
    if not entries and len(outside) == len(_OUTSIDE):
        entries = [{"name": DEFAULT_NAME, **outside}]
    return document, entries


def _write(config_file: Path, document: dict[str, Any], entries: list[dict[str, Any]], changed: str) -> None:
    """Write the list; what the file has outside of it changes with its endpoint `default`."""
    try:
        read_endpoints(entries)
    except ValueError as error:
        raise ValueError(f"nothing was saved: {ENDPOINTS} in {config_file}: {error}") from None
    if changed == DEFAULT_NAME:
        default = next((each for each in entries if each.get("name") == DEFAULT_NAME), {})
        for name in document.keys() & _OUTSIDE:
            if default:
                document[name] = default[name]
            else:
                del document[name]
    if entries:
        document[ENDPOINTS] = entries
    else:
        document.pop(ENDPOINTS, None)
    write_private(config_file, dumps(document, indent=2) + b"\n")
