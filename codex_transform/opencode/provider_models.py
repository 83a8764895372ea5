"""Entries for the models of the provider `openai` in OpenCode's configuration, made from the catalogue.

The modern form has one entry per model with the efforts as `variants` (OpenCode 1.0.140 and newer), the legacy form one
entry per model and effort, whose name ends in the effort. The members are those that OpenCode documents for a model.
Releases up to 1.3 do not start with an unknown member, or with half a `limit` or `modalities`, so only what 1.1.65,
1.3.2 and 1.18.33 all accept is written here. `reasoningEffort` is always set: without it OpenCode sends `medium`, and
the value in a request has precedence over the suffix of the model's name.

In the new form of OpenCode 2 an entry says the same in other words, with the variants as a list (`forms.py`).

The same entries determine what may be removed again: only what is unchanged.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from codex_transform import catalog
from codex_transform.catalog import Model
from codex_transform.jsonc.editor import Document, JsonPath
from codex_transform.jsonc.tree import Step
from codex_transform.jsonio import describe_type
from codex_transform.opencode.forms import NEW, OLD, Form, fits

# Members that are written or left as a whole: a mixture of two could contradict itself.
_ATOMIC_MEMBERS = ("capabilities", "limit", "modalities")
# The output limit of models of the GPT-5 family, by OpenAI's list of models.
_MAX_OUTPUT = 128_000


def select_models(names: Iterable[str] = ()) -> tuple[Model, ...]:
    """Return the models of these names, in the order of the catalogue; without names, all that are no alias.

    Names are resolved by `catalog.resolve`. Raises ValueError for an unknown model, with similar names.
    """
    slugs: set[str] = set()
    for name in names:
        model = catalog.resolve(name).model
        if model is None:
            near = get_close_matches(name.strip().lower(), _names(), n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "`codex-transform models` lists all of them"
            raise ValueError(f"there is no model {name!r} in the catalogue: {hint}")
        slugs.add(model.slug)
    return tuple(model for model in catalog.models() if model.slug in (slugs or _names()))


def entries(models: Iterable[Model], *, legacy: bool = False, form: Form = OLD) -> dict[str, Any]:
    """Return the entries of these models in this form, by name."""
    if legacy:
        by_effort = {f"{model.slug}-{effort}": (model, effort) for model in models for effort in model.efforts}
        return {name: _legacy(model, effort, form) for name, (model, effort) in by_effort.items()}
    return {model.slug: (_new if form is NEW else _modern)(model) for model in models}


def wrap(members: Mapping[str, Any], form: Form = OLD) -> dict[str, Any]:
    """Return a configuration that contains only these entries."""
    config: dict[str, Any] = dict(members)
    for name in reversed(form.models):
        config = {name: config}
    return config


def additions(value: Any, members: Mapping[str, Any], form: Form = OLD) -> dict[str, Any]:
    """Return what to merge into the configuration `value`: these entries, without a limit or modalities that exist.

    An entry that is there in another form is left out. Raises ValueError if a member on the way to the entries is not
    an object.
    """
    for depth, name in enumerate(form.models):
        value = value.get(name, {})
        if isinstance(value, dict):
            continue
        path = ".".join(form.models[: depth + 1])
        raise ValueError(f"{path} must be an object in braces, not {describe_type(value)}")
    result: dict[str, Any] = {}
    for name, ours in members.items():
        theirs = value.get(name)
        if not fits(theirs, form):
            continue
        own = [unit for unit in _ATOMIC_MEMBERS if isinstance(theirs, dict) and unit in theirs]
        result[name] = {member: each for member, each in ours.items() if member not in own}
    return wrap(result, form)


def missing_variants(value: Any, members: Mapping[str, Any]) -> dict[JsonPath, list[Any]]:
    """Return the variants that lists of the configuration `value` in the new form lack, by the path of the list."""
    for name in NEW.models:
        value = value.get(name, {})
    found: dict[JsonPath, list[Any]] = {}
    for name, ours in members.items():
        theirs = value.get(name)
        listed = theirs.get("variants") if isinstance(theirs, dict) and fits(theirs, NEW) else None
        if isinstance(listed, list) and isinstance(ours.get("variants"), list):
            missing = [each for each in ours["variants"] if each["id"] not in _by_id(listed)]
            if missing:
                found[*NEW.models, name, "variants"] = missing
    return found


def in_another_form(value: Any, members: Mapping[str, Any], form: Form) -> list[str]:
    """Return the names of those entries that the configuration `value` has in another form, and so stay as they are."""
    for name in form.models:
        value = value.get(name, {}) if isinstance(value, dict) else {}
    return [name for name in members if isinstance(value, dict) and not fits(value.get(name), form)]


def conflicts(theirs: object, ours: object, path: JsonPath = ()) -> Iterator[tuple[JsonPath, Any, Any]]:
    """Yield where `theirs` differs from `ours`: the path, their value and ours. Missing members do not count."""
    if isinstance(theirs, dict) and isinstance(ours, Mapping):
        for name in ours:
            if name in theirs:
                yield from conflicts(theirs[name], ours[name], (*path, name))
    elif path[-1:] == ("variants",) and isinstance(theirs, list) and isinstance(ours, list):
        yield from conflicts(_by_id(theirs), _by_id(ours), path)
    elif theirs != ours:
        yield path, theirs, ours


def removable(document: Document, ours: Mapping[str, Any]) -> list[JsonPath]:
    """Return what in `document` equals `ours`: paths for `Document.remove`, none within another.

    An object is among them if all of its members are, so that no empty one is left behind; but not if it contains a
    comment.
    """
    paths: list[JsonPath] = []
    for name in ours.keys() & document.value.keys():
        paths += _written(document, document.value[name], ours[name], (name,))
    return paths


def _written(document: Document, theirs: object, ours: object, path: JsonPath) -> list[JsonPath]:
    inside: dict[Step, list[JsonPath]]
    if path[-1] == "variants" and isinstance(theirs, list) and isinstance(ours, list):
        inside = {
            index: [(*path, index)] if each in ours and not document.has_comment((*path, index)) else []
            for index, each in enumerate(theirs)
        }
        whole = all(inside.values())
    elif path[-1] in _ATOMIC_MEMBERS or not (isinstance(theirs, dict) and isinstance(ours, Mapping)):
        return [path] if theirs == ours and not document.has_comment(path) else []
    else:
        inside = {name: _written(document, theirs[name], ours[name], (*path, name)) for name in theirs if name in ours}
        whole = all(inside.get(name) == [(*path, name)] for name in theirs)
    if whole and not document.has_comment(path):
        return [path]
    return [each for paths in inside.values() for each in paths]


def _by_id(variants: Iterable[Any]) -> dict[str, Any]:
    named = (each for each in variants if isinstance(each, dict) and isinstance(each.get("id"), str))
    return {each["id"]: each for each in named}


def _names() -> list[str]:
    """Return the models whose name is not an alias for another one."""
    return [model.slug for model in catalog.models() if model.slug not in catalog.aliases()]


def _modern(model: Model) -> dict[str, Any]:
    return {
        "name": model.display_name,
        **_facts(model),
        "options": _options(model, model.default_effort),
        "variants": {effort: {"reasoningEffort": effort} for effort in model.efforts},
    }


def _new(model: Model) -> dict[str, Any]:
    return {
        "modelID": model.slug,
        "name": model.display_name,
        **_new_facts(model),
        "settings": _options(model, model.default_effort),
        "variants": [{"id": effort, "settings": {"reasoningEffort": effort}} for effort in model.efforts],
    }


def _legacy(model: Model, effort: str, form: Form) -> dict[str, Any]:
    facts, options = (_new_facts(model), "settings") if form is NEW else (_facts(model), "options")
    return {"name": f"{model.display_name} {effort}", **facts, options: _options(model, effort)}


def _facts(model: Model) -> dict[str, Any]:
    return {
        "reasoning": True,
        "attachment": "image" in model.input_modalities,
        "limit": _limit(model),
        "modalities": {"input": list(model.input_modalities), "output": ["text"]},
    }


def _new_facts(model: Model) -> dict[str, Any]:
    return {
        "capabilities": {"tools": True, "input": list(model.input_modalities), "output": ["text"]},
        "limit": _limit(model),
    }


def _limit(model: Model) -> dict[str, int]:
    # `input` too: without it OpenCode would compact by its own, larger value.
    output = min(_MAX_OUTPUT, model.context_window // 2)
    return {"context": model.context_window, "input": model.context_window, "output": output}


def _options(model: Model, effort: str) -> dict[str, Any]:
    options: dict[str, Any] = {"reasoningEffort": effort, "reasoningSummary": "auto"}
    if model.supports_verbosity:
        options["textVerbosity"] = model.default_verbosity or "medium"
    return options | {"include": ["reasoning.encrypted_content"], "store": False}
