"""The endpoint, tried with one small request by `codex_transform/probe/exchange.py`."""

from collections.abc import Iterator

from codex_transform import paths
from codex_transform.doctor.result import DoctorContext, Mark, Result, ok, warning
from codex_transform.doctor.terminal import upstream_proxy
from codex_transform.endpoint.headers import DEFAULT_ORIGINATOR
from codex_transform.endpoint.url import Endpoint, parse
from codex_transform.instructions.store import InstructionStore
from codex_transform.probe.exchange import probe
from codex_transform.probe.private_ca import private_ca
from codex_transform.probe.verdict import CHECK_URL
from codex_transform.settings.options import OPTIONS

_TIMEOUT = 15.0
_CONNECTION_STEPS = ("dns", "tcp", "tls")


def endpoint(context: DoctorContext) -> Iterator[Result]:
    """Yield how each step of the request went, for each endpoint: `dns`, `tcp`, `tls`, `key`, `stream`."""
    settings = context.loaded.settings
    if context.offline:
        yield ok("endpoint", "not tried (--offline)")
        return
    if not settings.base_url or not settings.api_key:
        yield ok("endpoint", "not tried: it needs the settings above")
        return
    several = context.loaded.endpoints
    for each in several[1:]:
        yield from _try(context, each.name, each.endpoint, each.api_key.value)
    first = several[0].name if several else ""
    yield from _try(context, first, parse(settings.base_url), settings.api_key.value)


def _try(context: DoctorContext, name: str, where: Endpoint, key: str) -> Iterator[Result]:
    """Yield the steps of a request to one endpoint; `name` is "" if there is only one."""
    settings = context.loaded.settings
    prefix = f"{name}: " if name else ""
    override = settings.instructions_file.read_text("utf-8-sig") if settings.instructions_file else None
    steps = probe(
        where,
        key,
        originator=settings.originator or DEFAULT_ORIGINATOR,
        model=context.model,
        timeout=_TIMEOUT,
        trusted_ca=private_ca(context.home),
        instructions=InstructionStore(paths.cache_folder(context.home), settings.catalog_url, override).text,
    )
    for step in steps:
        if not step.ok and step.name in _CONNECTION_STEPS and (beyond := upstream_proxy(context)):
            fix = f"Try `codex-transform run`, which connects through {beyond}: that may reach it."
            yield warning(f"{prefix}{step.name}", f"{step.message}, tried without the proxy of this network", fix)
            return
        fix = step.fix
        if step.name == "key" and fix:
            fix += _how_to_change(context, "api_key")
        elif CHECK_URL in fix:
            fix += _how_to_change(context, "base_url")
        mark: Mark = "fault" if not step.ok else "warning" if fix else "ok"
        yield Result(mark, f"{prefix}{step.name}", step.message, fix)


def _how_to_change(context: DoctorContext, field: str) -> str:
    """Return a sentence on where to change a setting: `login` writes the file, but the environment overrides that."""
    source = context.loaded.sources[field]
    if any(source == option.environ for option in OPTIONS):
        return f" It comes from {source}."
    return " `codex-transform login` sets it."
