"""The settings: what is wrong with them, where each comes from, and whether there is an endpoint at all."""

from collections.abc import Iterator

from codex_transform.doctor.result import Finding, Patient, fault, ok, warning
from codex_transform.endpoint.url import parse
from codex_transform.redaction import redact
from codex_transform.settings.loader import KNOBS, Problem


def file(patient: Patient) -> Iterator[Finding]:
    """Yield the config file: readable, whole, private."""
    problems = [problem for problem in patient.loaded.problems if problem.setting is None]
    for problem in problems:
        yield _finding("config file", problem)
    if not problems:
        there = patient.config_file.exists()
        yield ok("config file", f"{patient.config_file}{'' if there else ' is not there, and need not be'}")


def values(patient: Patient) -> Iterator[Finding]:
    """Values that cannot be used, and the sources of those that are not the default."""
    for problem in patient.loaded.problems:
        if problem.setting is not None:
            yield _finding(_name(problem.setting), problem)
    given = [
        f"{knob.option} from {patient.loaded.sources[knob.field]}"
        for knob in KNOBS
        if patient.loaded.sources[knob.field] != "default" and knob.field not in ("base_url", "api_key")
    ]
    yield ok("other settings", ", ".join(given) or "all as they are by default")
    hosts = patient.loaded.settings.hosts
    if not {"api.openai.com", "api.openai.com:443"} & set(hosts):
        says = f"codex_hosts is {', '.join(hosts)}: OpenCode's requests to api.openai.com are not rewritten"
        yield warning("codex_hosts", says, "Add api.openai.com to it, unless OpenCode uses another host.")
    if patient.loaded.settings.allow_remote:
        says = "codex_allow_remote is on: other machines may use the proxy, with your key"
        yield warning("codex_allow_remote", says, "Turn it off, or start mitmproxy with --proxyauth user:password.")


def base_url(patient: Patient) -> Iterator[Finding]:
    """Yield the base URL and where requests go."""
    given, source = patient.loaded.settings.base_url, patient.loaded.sources["base_url"]
    if not given:
        yield from _not_set(patient, "base URL", "base_url")
        return
    endpoint = parse(given)
    says = f"requests go to {endpoint.url} ({source})"
    if endpoint.exposes_key:
        yield warning("base URL", f"{says}: plain http, so the key travels unencrypted", "Use https.")
    else:
        yield ok("base URL", says)


def api_key(patient: Patient) -> Iterator[Finding]:
    """Yield the key."""
    known = patient.loaded.settings
    if known.forward_client_key:
        yield ok("API key", f"the client's own ({patient.loaded.sources['forward_client_key']})")
    elif known.api_key:
        shown = redact(known.api_key.get_secret_value())
        yield ok("API key", f"{shown} ({patient.loaded.sources['api_key']})")
    else:
        yield from _not_set(patient, "API key", "api_key")


def _not_set(patient: Patient, name: str, field: str) -> Iterator[Finding]:
    """`login` helps where nothing stands in its way."""
    problems = patient.loaded.problems
    if any(problem.setting in (None, field) and not problem.warning for problem in problems):
        yield ok(name, "not known before that is mended")
    else:
        yield fault(name, "is not set", "Run `codex-transform login`.")


def _name(field: str) -> str:
    return next(knob.option for knob in KNOBS if knob.field == field)


def _finding(name: str, problem: Problem) -> Finding:
    """Return a problem's sentence ends with the mend, behind a colon."""
    said = problem.message.removeprefix(f"{problem.source}: ")
    says, colon, mend = said.rpartition(": ")
    if not colon:
        says, mend = said, f"Mend {problem.source}."
    source = "" if said == problem.message else f"{problem.source}: "
    mend = mend[:1].upper() + mend[1:] + ("" if mend.endswith(".") else ".")
    return Finding("warning" if problem.warning else "fault", name, source + says, mend)
