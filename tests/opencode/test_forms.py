from typing import Any

import pytest

from codex_transform.opencode.forms import NEW, OLD, Form, fits, form_of


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({}, OLD),
        (None, OLD),
        ([], OLD),
        ({"theme": "dark"}, OLD),
        ({"provider": {}}, OLD),
        ({"providers": {}}, NEW),
        ({"providers": []}, OLD),
        ({"provider": {"openai": {}}, "providers": {"other": {}}}, OLD),
        ({"provider": {"openai": {}}, "providers": {"openai": {}}}, NEW),
        ({"provider": {"other": {}}, "providers": {}}, NEW),
        ({"plugins": []}, NEW),
        ({"plugins": [], "plugin": []}, OLD),
        ({"plugin": []}, OLD),
        ({"plugins": [], "provider": {}}, OLD),
    ],
)
def test_the_format_is_recognized_by_its_members(value: object, form: Form) -> None:
    assert form_of(value) is form


@pytest.mark.parametrize(
    ("entry", "old", "new"),
    [
        (None, True, True),
        ({}, True, True),
        ({"name": "Mine", "limit": {}}, True, True),
        ({"options": {}}, True, False),
        ({"variants": {}}, True, False),
        ({"settings": {}}, False, True),
        ({"modelID": "gpt-5.2"}, False, True),
        ({"variants": []}, False, True),
        ({"options": {}, "variants": []}, False, False),
    ],
)
def test_an_entry_is_extended_only_in_its_own_format(entry: Any, old: bool, new: bool) -> None:
    assert (fits(entry, OLD), fits(entry, NEW)) == (old, new)
