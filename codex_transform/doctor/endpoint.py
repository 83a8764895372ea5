"""The endpoint, tried with one small request: see `codex_transform/probe/exchange.py`."""

from collections.abc import Iterator

from codex_transform import paths
from codex_transform.doctor.result import Finding, Mark, Patient, ok, warning
from codex_transform.doctor.terminal import another_proxy
from codex_transform.endpoint.url import parse
from codex_transform.instructions.store import Instructions
from codex_transform.probe.exchange import probe
from codex_transform.probe.private_ca import private_ca
from codex_transform.probe.verdict import CHECK_URL
from codex_transform.settings.loader import KNOBS

_TIMEOUT = 15.0
_ON_THE_WAY = ("dns", "tcp", "tls")


def endpoint(patient: Patient) -> Iterator[Finding]:
    """Name, port, TLS, key, and an answer."""
    known = patient.loaded.settings
    if patient.offline:
        yield ok("endpoint", "not tried (--offline)")
        return
    if not known.base_url or not known.api_key:
        yield ok("endpoint", "not tried: for that the settings above are needed")
        return
    override = known.instructions_file.read_text("utf-8-sig") if known.instructions_file else None
    steps = probe(
        parse(known.base_url),
        known.api_key.get_secret_value(),
        originator=known.originator,
        model=patient.model,
        timeout=_TIMEOUT,
        trusted_ca=private_ca(patient.home),
        instructions=Instructions(paths.cache_folder(patient.home), known.catalog_url, override).text,
    )
    for step in steps:
        if not step.ok and step.name in _ON_THE_WAY and (beyond := another_proxy(patient)):
            mend = f"`codex-transform run` goes through {beyond}, which may know the way: try it."
            yield warning(step.name, f"{step.says}, tried without the proxy of this network", mend)
            return
        mend = step.mend
        if step.name == "key" and mend:
            mend += _where(patient, "api_key")
        elif CHECK_URL in mend:
            mend += _where(patient, "base_url")
        mark: Mark = "fault" if not step.ok else "warning" if mend else "ok"
        yield Finding(mark, step.name, step.says, mend)


def _where(patient: Patient, field: str) -> str:
    """How to change a setting: `login` writes the file, which the environment goes before."""
    source = patient.loaded.sources[field]
    if any(source == knob.environ for knob in KNOBS):
        return f" It comes from {source}."
    return " `codex-transform login` sets it."
