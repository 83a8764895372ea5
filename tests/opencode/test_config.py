import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.opencode.config import ModelOptions, OpenCodeConfig, load, paths, signature

PROVIDER: dict[str, Any] = {
    "options": {"reasoningEffort": "low", "textVerbosity": "low", "include": ["a"]},
    "models": {
        "gpt-5.2": {
            "options": {"reasoningEffort": "medium", "reasoningSummary": "auto"},
            "variants": {
                "high": {"reasoningEffort": "high", "include": ["b", "c"]},
                "off": {"reasoningEffort": "none", "disabled": True},
                "deep-think": {"reasoningEffort": "xhigh"},
            },
        },
        "mine": {
            "id": "gpt-6",
            "options": {"textVerbosity": "high"},
            "variants": {"quick": {"reasoningEffort": "minimal"}},
        },
        "gpt-5.2-codex-high": {"options": {"reasoningEffort": "high"}},
        "bare": {},
        "nothing": {"options": {"reasoningEffort": None, "textVerbosity": "", "include": []}},
    },
}


@pytest.mark.parametrize(
    ("name", "effort", "summary", "verbosity", "include"),
    [
        ("gpt-5.2", "medium", "auto", "low", ("a",)),
        ("gpt-5.2-high", "high", "auto", "low", ("b", "c")),
        ("gpt-5.2-deep-think", "xhigh", "auto", "low", ("a",)),
        ("gpt-5.2-off", "low", None, "low", ("a",)),
        ("gpt-5.2-", "low", None, "low", ("a",)),
        ("gpt-5.2-low", "low", None, "low", ("a",)),
        ("gpt-6", "low", None, "high", ("a",)),
        ("mine", "low", None, "high", ("a",)),
        ("gpt-6-quick", "minimal", None, "high", ("a",)),
        ("mine-quick", "minimal", None, "high", ("a",)),
        ("gpt-5.2-codex-high", "high", None, "low", ("a",)),
        ("gpt-5.2-codex", "low", None, "low", ("a",)),
        ("bare", "low", None, "low", ("a",)),
        ("nothing", None, None, None, ()),
        ("unheard-of", "low", None, "low", ("a",)),
        ("", "low", None, "low", ("a",)),
    ],
)
def test_options_of_a_model(
    name: str, effort: str | None, summary: str | None, verbosity: str | None, include: tuple[str, ...]
) -> None:
    expected = ModelOptions(effort=effort, summary=summary, verbosity=verbosity, include=include)
    assert OpenCodeConfig(PROVIDER).options_for(name) == expected


def test_a_models_key_wins_over_an_id_and_a_variant() -> None:
    models = {
        "a": {"id": "b", "options": {"reasoningEffort": "low"}, "variants": {"x": {"reasoningEffort": "high"}}},
        "b": {"options": {"reasoningEffort": "medium"}},
        "a-x": {"options": {"reasoningEffort": "none"}},
    }
    config = OpenCodeConfig({"models": models})
    assert [config.options_for(name).effort for name in ("a", "b", "a-x", "b-x")] == ["low", "medium", "none", "high"]


def test_an_empty_configuration_has_no_options() -> None:
    config = OpenCodeConfig()
    assert (config.base_url, config.base_url_file, config.client_base_url, config.files) == (None, None, None, ())
    assert config.options_for("gpt-5.2") == ModelOptions()


class Folders:
    """A home folder with a project in it, and OpenCode's configuration files of both."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.project = self.home / "project"
        self.user_file = self.home / ".config" / "opencode" / "opencode.jsonc"
        self.project_file = self.project / "opencode.json"
        for folder in (self.user_file.parent, self.project):
            folder.mkdir(parents=True)
        self.environ = {"OPENCODE_TEST_MANAGED_CONFIG_DIR": str(root / "managed")}

    def write_user(self, openai: object) -> None:
        self.user_file.write_text(json.dumps({"provider": {"openai": openai}}), encoding="utf-8")

    def write_inline(self, openai: object) -> None:
        """Sets the inline configuration, which is the user's too and wins over the file."""
        self.environ["OPENCODE_CONFIG_CONTENT"] = json.dumps({"provider": {"openai": openai}})

    def write_project(self, openai: object) -> None:
        self.project_file.write_text(json.dumps({"provider": {"openai": openai}}), encoding="utf-8")

    def load(self) -> tuple[OpenCodeConfig, list[str]]:
        return load(self.environ, self.project, self.home)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def test_objects_are_merged_and_other_values_replaced(folders: Folders) -> None:
    folders.write_user(PROVIDER)
    folders.write_project(
        {
            "options": {"reasoningEffort": None, "include": ["z"]},
            "models": {
                "gpt-5.2": {"variants": {"off": {"disabled": False}, "high": {"textVerbosity": "high"}}},
                "new": {"options": {"reasoningEffort": "max"}},
            },
        }
    )
    config, warnings = folders.load()
    assert warnings == []
    assert config.options_for("other") == ModelOptions(verbosity="low", include=("z",))
    assert config.options_for("gpt-5.2").effort == "medium"
    assert config.options_for("gpt-5.2-off").effort == "none"
    assert config.options_for("gpt-5.2-high") == ModelOptions(
        effort="high", summary="auto", verbosity="high", include=("b", "c")
    )
    assert config.options_for("new").effort == "max"


def test_comments_trailing_commas_and_references_are_understood(folders: Folders) -> None:
    (folders.user_file.parent / "url.txt").write_text("https://from-file\n", encoding="utf-8")
    folders.user_file.write_text(
        """{
          // "baseURL": "{file:missing.txt}",
          "provider": {"openai": {
            "baseURL": "{file:url.txt}", /* mine */
            "options": {"reasoningEffort": "{env:EFFORT}", "baseURL": "http://127.0.0.1:8080/v1",},
          }},
        }""",
        encoding="utf-8",
    )
    folders.environ["EFFORT"] = "high"
    config, warnings = folders.load()
    assert warnings == []
    assert (config.base_url, config.base_url_file) == ("https://from-file", str(folders.user_file))
    assert config.client_base_url == "http://127.0.0.1:8080/v1"
    assert config.options_for("x").effort == "high"


def test_the_file_that_the_base_url_comes_from_is_named(folders: Folders) -> None:
    folders.write_user({"baseURL": "https://user"})
    folders.write_inline({"options": {}})
    assert folders.load()[0].base_url_file == str(folders.user_file)
    folders.write_inline({"baseURL": "https://inline"})
    config, _ = folders.load()
    assert (config.base_url, config.base_url_file) == ("https://inline", "OPENCODE_CONFIG_CONTENT")


@pytest.mark.parametrize("folder", ["", ".opencode"])
def test_a_project_cannot_set_where_the_key_is_sent(folder: str, folders: Folders) -> None:
    folders.project_file = folders.project / folder / "opencode.json"
    folders.project_file.parent.mkdir(exist_ok=True)
    folders.write_project({"baseURL": "https://project", "options": {"reasoningEffort": "high"}})
    config, (warning,) = folders.load()
    assert (config.base_url, config.options_for("x").effort) == (None, "high")
    assert warning.startswith(f"{folders.project_file}: provider.openai.baseURL is not used")
    folders.write_user({"baseURL": "https://user"})
    assert folders.load()[0].base_url == "https://user"


@pytest.mark.parametrize("empty", ["", None, "{env:NOT_SET}"])
def test_an_empty_base_url_counts_as_unset(empty: str | None, folders: Folders) -> None:
    folders.write_user({"baseURL": "https://user", "options": {"baseURL": "https://user"}})
    folders.write_inline({"baseURL": empty, "options": {"baseURL": empty}})
    config, warnings = folders.load()
    assert (config.base_url, config.base_url_file, config.client_base_url, warnings) == (None, None, None, [])


def test_no_other_base_url_replaces_one_of_a_wrong_type(folders: Folders) -> None:
    folders.write_user({"baseURL": "https://user"})
    folders.write_inline({"baseURL": ["https://inline"]})
    config, warnings = folders.load()
    assert config.base_url is None
    assert warnings == ["OPENCODE_CONFIG_CONTENT: provider.openai.baseURL must be text, not a list; ignored"]


@pytest.mark.parametrize(
    ("openai", "path", "expected_type"),
    [
        ({"options": {"reasoningEffort": 5}}, "options.reasoningEffort", "text, not a number"),
        ({"options": {"reasoningSummary": ["auto"]}}, "options.reasoningSummary", "text, not a list"),
        ({"options": {"textVerbosity": True}}, "options.textVerbosity", "text, not true or false"),
        ({"options": {"baseURL": {}}}, "options.baseURL", "text, not an object"),
        ({"options": {"include": "a"}}, "options.include", "a list of texts, not a string"),
        ({"options": {"include": ["a", 5]}}, "options.include", "a list of texts, not a list"),
        ({"options": 5}, "options", "an object, not a number"),
        ({"models": []}, "models", "an object, not a list"),
        ({"models": {"gpt-5.2": "x"}}, "models.gpt-5.2", "an object, not a string"),
        ({"models": {"gpt-5.2": {"id": 5}}}, "models.gpt-5.2.id", "text, not a number"),
        ({"models": {"gpt-5.2": {"options": None}}}, "models.gpt-5.2.options", "an object, not null"),
        (
            {"models": {"gpt-5.2": {"options": {"reasoningEffort": 5}}}},
            "models.gpt-5.2.options.reasoningEffort",
            "text, not a number",
        ),
        (
            {"models": {"gpt-5.2": {"variants": {"high": {"reasoningEffort": []}}}}},
            "models.gpt-5.2.variants.high.reasoningEffort",
            "text, not a list",
        ),
        ({"models": {"gpt-5.2": {"variants": {"high": 1}}}}, "models.gpt-5.2.variants.high", "an object, not a number"),
    ],
)
def test_a_wrong_type_is_ignored_with_a_warning_that_names_it(
    openai: object, path: str, expected_type: str, folders: Folders
) -> None:
    folders.write_user(PROVIDER)
    expected, _ = folders.load()
    folders.write_project(openai)
    config, warnings = folders.load()
    assert warnings == [f"{folders.project_file}: provider.openai.{path} must be {expected_type}; ignored"]
    for name in ("gpt-5.2", "gpt-5.2-high", "other"):
        assert config.options_for(name) == expected.options_for(name)


def test_unused_members_may_have_any_type(folders: Folders) -> None:
    folders.write_user({"npm": 5, "models": {"m": {"limit": [], "options": {"foo": {}}}}, "options": {"apiKey": ["x"]}})
    folders.project_file.write_text('{"agent": 5, "provider": {"anthropic": []}}', encoding="utf-8")
    assert folders.load()[1] == []


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ('{"provider":\n  {"openai" {}}}', "line 2, column 13: expecting ':' delimiter. Fix it there"),
        ("  ", "line 1, column 3: expecting value. Fix it there"),
        ("[]", "must hold an object, not a list"),
        ('{"provider": []}', "provider must be an object, not a list; ignored"),
        ('{"provider": {"openai": "x"}}', "provider.openai must be an object, not a string; ignored"),
    ],
)
def test_a_damaged_file_is_a_warning_and_other_files_apply(text: str, warning: str, folders: Folders) -> None:
    folders.write_user({"baseURL": "https://user", "options": {"reasoningEffort": "high"}})
    folders.project_file.write_text(text, encoding="utf-8")
    config, warnings = folders.load()
    assert (config.base_url, config.options_for("x").effort) == ("https://user", "high")
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{folders.project_file}: {warning}")
    folders.user_file.write_text(text, encoding="utf-8")
    folders.write_project({"options": {"reasoningEffort": "low"}})
    assert folders.load()[0].options_for("x").effort == "low"


def test_inline_configuration_wins(folders: Folders) -> None:
    folders.write_project({"options": {"reasoningEffort": "low"}})
    folders.environ["OPENCODE_CONFIG_CONTENT"] = '{"provider": {"openai": {"options": {"reasoningEffort": "max"}}}}'
    assert folders.load()[0].options_for("x").effort == "max"
    folders.environ["OPENCODE_CONFIG_CONTENT"] = "{"
    config, warnings = folders.load()
    assert config.options_for("x").effort == "low"
    assert warnings[0].startswith("OPENCODE_CONFIG_CONTENT: line 1, column 2: ")


def test_no_warning_shows_the_content_of_a_file(folders: Folders) -> None:
    folders.environ["KEY"] = "sk-secret"
    folders.write_user({"baseURL": ["{env:KEY}"], "options": {"apiKey": "sk-secret", "reasoningEffort": ["sk-secret"]}})
    folders.project_file.write_text('{"apiKey": "{env:KEY}" "{env:KEY}"', encoding="utf-8")
    _, warnings = folders.load()
    assert len(warnings) == 3
    assert "secret" not in "".join(warnings)


def test_a_new_file_changes_the_signature(folders: Folders) -> None:
    folders.write_user({"options": {"reasoningEffort": "low"}})
    config, _ = folders.load()
    before = signature(config.files)
    assert signature(config.files) == before
    assert set(paths(folders.environ, folders.project, folders.home)) <= set(config.files)
    folders.write_project({"options": {"reasoningEffort": "medium"}})
    assert signature(config.files) != before


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def object_with(*names: str, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return ANY | st.dictionaries(st.sampled_from(names), inner, max_size=4)


OPTIONS = object_with(
    "reasoningEffort", "reasoningSummary", "textVerbosity", "include", "baseURL", "disabled", inner=ANY
)
MODEL = object_with("options", "variants", inner=OPTIONS | object_with("high", "low", inner=OPTIONS))
OPENAI = object_with("options", "models", "baseURL", inner=OPTIONS | object_with("gpt-5.2", "m", inner=MODEL))


def object_or_empty(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def valid(options: Any) -> dict[str, Any]:
    """Return the options that have the right type; a null has it, and resets what another place says."""

    def fits(name: str, value: Any) -> bool:
        if value is None:
            return True
        if name == "include":
            return isinstance(value, list) and all(isinstance(each, str) for each in value)
        return isinstance(value, str)

    names = ("reasoningEffort", "reasoningSummary", "textVerbosity", "include")
    found = {name: value for name, value in object_or_empty(options).items() if name in names and fits(name, value)}
    return {name: value or None for name, value in found.items()}


def as_options(options: dict[str, Any]) -> ModelOptions:
    return ModelOptions(
        options.get("reasoningEffort"),
        options.get("reasoningSummary"),
        options.get("textVerbosity"),
        tuple(options.get("include") or ()),
    )


@given(OPENAI)
def test_whatever_a_configuration_holds_what_has_the_right_type_counts(openai: Any) -> None:
    # Only inline configuration: the files do not exist.
    content = json.dumps({"provider": {"openai": openai}})
    environ = {"OPENCODE_CONFIG_CONTENT": content, "OPENCODE_TEST_MANAGED_CONFIG_DIR": "/nowhere"}
    config, warnings = load(environ, Path("/nowhere"), Path("/nowhere"))
    provider = object_or_empty(openai)
    base_url, models = provider.get("baseURL"), object_or_empty(provider.get("models"))
    assert config.base_url == (base_url if isinstance(base_url, str) and base_url else None)
    assert any("provider.openai.baseURL must be" in each for each in warnings) == (
        base_url is not None and not isinstance(base_url, str)
    )
    of_provider = valid(provider.get("options"))
    assert config.options_for("unheard-of") == as_options(of_provider)
    for name, model in models.items():
        of_model = valid(object_or_empty(model).get("options"))
        assert config.options_for(name) == as_options({**of_provider, **of_model})


NEW: dict[str, Any] = {
    "settings": {"reasoningEffort": "low", "textVerbosity": "low", "baseURL": "http://127.0.0.1:8080/v1"},
    "headers": {"X-Relay": "1"},
    "models": {
        "gpt-5.2": {
            "settings": {"reasoningEffort": "medium", "reasoningSummary": "auto"},
            "variants": [
                {
                    "id": "high",
                    "settings": {"reasoningEffort": "high", "include": ["b"]},
                    "headers": {"Of-Variant": "1"},
                },
                {"id": "bare"},
            ],
        },
        "mine": {"modelID": "gpt-6", "settings": {"textVerbosity": "high"}, "headers": {"Of-Model": "1"}},
    },
}


@pytest.mark.parametrize(
    ("name", "effort", "verbosity", "include"),
    [
        ("gpt-5.2", "medium", "low", ()),
        ("gpt-5.2-high", "high", "low", ("b",)),
        ("gpt-5.2-bare", "medium", "low", ()),
        ("mine", "low", "high", ()),
        ("gpt-6", "low", "high", ()),
        ("other", "low", "low", ()),
    ],
)
def test_the_format_of_opencode_2_means_the_same_as_the_old_one(
    name: str, effort: str, verbosity: str, include: tuple[str, ...], tmp_path: Path
) -> None:
    config = load_document(tmp_path, {"providers": {"openai": NEW}})
    options = config.options_for(name)
    assert (options.effort, options.verbosity, options.include) == (effort, verbosity, include)
    assert config.client_base_url == "http://127.0.0.1:8080/v1"


def test_a_provider_in_both_formats_is_read_in_the_new_one(tmp_path: Path) -> None:
    old = {"options": {"reasoningEffort": "xhigh"}, "baseURL": "https://codex.example", "models": {"mine": {"id": "a"}}}
    config = load_document(tmp_path, {"provider": {"openai": old}, "providers": {"openai": NEW}})
    assert config.options_for("a").effort == "low"
    assert config.base_url == "https://codex.example"
    config = load_document(tmp_path, {"provider": {"openai": old}, "providers": {"other": {}}})
    assert config.options_for("a").effort == "xhigh"


def test_header_names_are_found_wherever_they_are_configured(tmp_path: Path) -> None:
    assert load_document(tmp_path, {"providers": {"openai": NEW}}).header_names == {"x-relay", "of-model", "of-variant"}
    old = {
        "options": {"headers": {"X-Relay": "1"}},
        "models": {"a": {"headers": {"Of-Model": "1"}, "options": {"headers": {"Of-Options": "1"}}}},
    }
    config = load_document(tmp_path, {"provider": {"openai": old}})
    assert config.header_names == {"x-relay", "of-model", "of-options"}
    assert (
        load_document(tmp_path, {"provider": {"openai": {"options": {"headers": "none"}}}}).header_names == frozenset()
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"variants": {"high": {}}}, "providers.openai.models.m.variants must be a list, not an object"),
        ({"variants": ["high"]}, "providers.openai.models.m.variants.0 must be an object, not a string"),
        ({"variants": [{"id": 5}]}, "providers.openai.models.m.variants.0.id must be text, not a number"),
        ({"settings": []}, "providers.openai.models.m.settings must be an object, not a list"),
    ],
)
def test_wrong_types_in_the_new_format_are_warnings(model: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "opencode"
    folder.mkdir(parents=True)
    (folder / "opencode.json").write_text(json.dumps({"providers": {"openai": {"models": {"m": model}}}}))
    _, warnings = load({}, tmp_path, tmp_path)
    assert any(message in warning for warning in warnings)


def load_document(home: Path, value: object) -> OpenCodeConfig:
    folder = home / ".config" / "opencode"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "opencode.json").write_text(json.dumps(value))
    config, warnings = load({}, home, home)
    assert not warnings
    return config
