"""The settings: what is wrong with them, where each comes from, and whether an endpoint is set."""

from collections.abc import Iterator

from codex_transform.doctor.result import DoctorContext, Mark, Result, failure, ok, warning
from codex_transform.endpoint.url import parse
from codex_transform.people import register
from codex_transform.redaction import redact
from codex_transform.settings.loader import Problem
from codex_transform.settings.options import OPTIONS
from codex_transform.text import format_count, sentence


def file(context: DoctorContext) -> Iterator[Result]:
    """Yield whether the config file is readable, well formed and private."""
    problems = [problem for problem in context.loaded.problems if problem.setting is None]
    for problem in problems:
        yield _finding("config file", problem)
    if not problems:
        there = context.config_file.exists()
        yield ok("config file", f"{context.config_file}{'' if there else ' does not exist, and is not needed'}")


def values(context: DoctorContext) -> Iterator[Result]:
    """Yield the values that cannot be used, the sources of those that are not the default, and risky choices."""
    for problem in context.loaded.problems:
        if problem.setting is not None:
            yield _finding(_name(problem.setting), problem)
    configured = [
        f"{option.option} from {context.loaded.sources[option.field]}"
        for option in OPTIONS
        if context.loaded.sources[option.field] != "default" and option.field not in ("base_url", "api_key")
    ]
    if configured or all(problem.setting in (None, "base_url", "api_key") for problem in context.loaded.problems):
        yield ok("other settings", ", ".join(configured) or "all at their defaults")
    hosts = context.loaded.settings.hosts
    if not {"api.openai.com", "api.openai.com:443"} & set(hosts):
        message = f"codex_hosts is {', '.join(hosts)}: OpenCode's requests to api.openai.com are not rewritten"
        yield warning("codex_hosts", message, "Add api.openai.com to it, unless OpenCode uses another host.")
    settings = context.loaded.settings
    if settings.allow_remote and not (settings.clients and register.load(context.clients_file).people):
        message = "codex_allow_remote is on: other machines may use the proxy, with your key"
        yield warning(
            "codex_allow_remote",
            message,
            "Turn it off, start mitmproxy with --proxyauth user:password, or run `codex-transform clients add`.",
        )


def base_url(context: DoctorContext) -> Iterator[Result]:
    """Yield the address that requests go to, and where the base URL comes from."""
    configured, source = context.loaded.settings.base_url, context.loaded.sources["base_url"]
    if not configured:
        yield from _not_set(context, "base URL", "base_url")
        return
    endpoint = parse(configured)
    message = f"requests go to {endpoint.url} ({source})"
    if endpoint.exposes_key:
        yield warning("base URL", f"{message}: plain http, so the key travels unencrypted", "Use https.")
    else:
        yield ok("base URL", message)


def api_key(context: DoctorContext) -> Iterator[Result]:
    """Yield the key in its redacted form, and where it comes from."""
    settings = context.loaded.settings
    if settings.forward_client_key:
        yield ok("API key", f"the client's own ({context.loaded.sources['forward_client_key']})")
    elif settings.api_key:
        hint = redact(settings.api_key.value)
        yield ok("API key", f"{hint} ({context.loaded.sources['api_key']})")
    else:
        yield from _not_set(context, "API key", "api_key")


def clients(context: DoctorContext) -> Iterator[Result]:
    """Yield the number of clients with keys of their own, if the file for them exists."""
    found = register.load(context.clients_file)
    if found.problem:
        yield failure("clients", found.problem, sentence(found.fix))
    elif found.defined:
        yield ok("clients", f"keys are required; {format_count(len(found.people), 'client')} in {context.clients_file}")
    if found.defined and context.loaded.settings.forward_client_key:
        message = "codex_forward_client_key is ignored: the endpoint would get the clients' keys"
        yield failure("clients", message, "Turn it off.")


def _not_set(context: DoctorContext, name: str, field: str) -> Iterator[Result]:
    """Yield that a setting is missing, with `login` as the fix unless another problem must be fixed first."""
    problems = context.loaded.problems
    if any(problem.setting in (None, field) and not problem.warning for problem in problems):
        yield ok(name, "unknown until that is fixed")
    else:
        yield failure(name, "is not set", "Run `codex-transform login`.")


def _name(field: str) -> str:
    return next(option.option for option in OPTIONS if option.field == field)


def _finding(name: str, problem: Problem) -> Result:
    """Return the result for a problem in the settings."""
    mark: Mark = "warning" if problem.warning else "fault"
    return Result(mark, name, problem.finding, sentence(problem.fix or f"fix {problem.source}"))
