"""`models`: prints the catalogue as a table or, with --json, for programs."""

import json

import click

from codex_transform import catalog
from codex_transform.cli.models_from_cache import learn_models
from codex_transform.cli.tables import print_table


@click.command(
    epilog="""\b
Examples:
  codex-transform models
  codex-transform models gpt-5.2-codex-high
  codex-transform models --json
"""
)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def models(name: str | None, as_json: bool) -> None:
    """List the models with their efforts, or say what the model NAME means.

    An effort can be part of a model's name, as in gpt-5.2-codex-high. The default effort is in brackets. The name of a
    model that is not listed is sent unchanged. The list includes what the proxy last fetched about the models.
    """
    learn_models()
    if name is not None:
        _explain(name, as_json)
    elif as_json:
        listed = [{**model._asdict(), "aliases": _aliases(model)} for model in catalog.models()]
        click.echo(json.dumps(listed, indent=2))
    else:
        rows = [
            [model.slug, _efforts(model), f"{model.context_window // 1000}k", ", ".join(_aliases(model))]
            for model in catalog.models()
            if model.slug not in catalog.aliases()
        ]
        print_table(["model", "efforts", "context", "also known as"], rows, right={2})


def _explain(name: str, as_json: bool) -> None:
    found = catalog.resolve(name)
    if as_json:
        resolved = {"asked": name, "sent": found.slug, "effort": found.effort, "service_tier": found.service_tier}
        click.echo(json.dumps(resolved | {"known": bool(found.model)}))
    elif found.model is None:
        click.echo(f"{name}: not in the catalogue; sent unchanged")
    else:
        effort = catalog.clamp(found.effort, found.model) if found.effort else found.model.default_effort
        tier = f" and service tier {found.service_tier}" if found.service_tier else ""
        efforts = " ".join(found.model.efforts)
        click.echo(f"{name}: sent as {found.slug} with effort {effort}{tier}; its efforts are {efforts}")


def _aliases(model: catalog.Model) -> list[str]:
    return [name for name, slug in catalog.aliases().items() if slug == model.slug]


def _efforts(model: catalog.Model) -> str:
    return " ".join(f"[{effort}]" if effort == model.default_effort else effort for effort in model.efforts)
