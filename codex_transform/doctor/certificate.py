"""mitmproxy's CA certificate: whether it is valid, and whether OpenCode's runtime trusts it, tried with a real proxy.

The request is sent as under `run`, with the same variables, and the addon answers it itself; this needs no network.
"""

import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from codex_transform import shells
from codex_transform.doctor import runtime
from codex_transform.doctor.result import DoctorContext, Result, failure, ok, warning
from codex_transform.doctor.terminal import uses_our_proxy
from codex_transform.fsutil import is_missing
from codex_transform.launcher import ca_bundle, child_env, proxy_process
from codex_transform.launcher.proxy_process import ProxyProcess
from codex_transform.text import sentence

_NAME, _TRUST = "certificate", "trust"
_REVERSE = "Use reverse mode, which needs no certificate: see `codex-transform config --help`, option --reverse."


def check_ca(context: DoctorContext) -> Iterator[Result]:
    """Yield whether the certificate file is valid, and until when."""
    path = context.authority
    if problem := _problem(path):
        yield problem
    elif not _is_there(path):
        yield ok(_NAME, "does not exist yet: the proxy creates it when it first starts")
    else:
        yield ok(_NAME, f"{path}, valid until {_load(path).not_valid_after_utc:%Y-%m-%d}")


def check_trust(context: DoctorContext) -> Iterator[Result]:
    """Start a proxy, make OpenCode's runtime send a request through it, and yield how both went."""
    if _problem(context.authority):
        yield ok(_TRUST, "not tried: fix the certificate first")
        return
    program = runtime.find(context.environ)
    host = child_env.first_public_host(context.loaded.settings.hosts) or "api.openai.com"
    name, _, port = host.partition(":")
    try:
        with (
            proxy_process.running(context.authority, (name, int(port or 443))) as proxy,
            tempfile.TemporaryDirectory(prefix="codex-transform-", ignore_cleanup_errors=True) as folder,
        ):
            yield ok("proxy", "starts, and signs with this certificate")
            if program is None:
                yield ok(_TRUST, "not tried: OpenCode is not installed")
                return
            yield from _try(context, program, proxy, host, Path(folder))
    except proxy_process.NoProxyError as error:
        if error.fix or error.log is None:
            yield failure("proxy", error.reason, sentence(error.fix))
            return
        log_lines = [line.strip() for line in error.log.last if "rror" in line]
        fix = f"Fix the cause named there; the whole log is {error.log.path}."
        yield failure("proxy", " ".join([error.reason, *log_lines]), fix)


def _try(context: DoctorContext, program: Path, proxy: ProxyProcess, host: str, folder: Path) -> Iterator[Result]:
    """Yield whether the runtime trusts the CA with the variables that `run` sets, and with those of this terminal.

    The terminal's are tried only if its HTTPS_PROXY leads to our proxy.
    """
    proxied, _ = child_env.proxy_variables(context.environ, proxy.url, context.loaded.settings.hosts)
    trusted, _ = ca_bundle.ca_variables(context.environ, proxy.authority, folder)
    try:
        refused = runtime.fetch(program, {**context.environ, **proxied, **trusted}, host)
        here = runtime.fetch(program, {**context.environ, **proxied}, host) if uses_our_proxy(context) else None
    except runtime.NoRuntimeError as error:
        message = f"cannot be tried: {program} does not run as Bun ({error})"
        yield warning(_TRUST, message, "Use reverse mode if OpenCode reports a certificate that it cannot verify.")
        return
    if refused:
        message = f"OpenCode's runtime does not accept the proxy's certificate ({refused})"
        if sys.platform == "win32":
            message += ": on Windows it is known to ignore NODE_EXTRA_CA_CERTS"
        yield failure(_TRUST, message, _REVERSE)
    elif here:
        trusting = shells.local_assignment("NODE_EXTRA_CA_CERTS", str(context.authority))
        fix = f"Start it with `codex-transform run opencode`, or {trusting}."
        yield failure(_TRUST, f"OpenCode, started in this terminal, does not accept the certificate ({here})", fix)
    else:
        yield ok(_TRUST, "OpenCode's runtime reached the addon through the proxy")


def _problem(path: Path) -> Result | None:
    """Return what is wrong with a certificate; None if it is valid or does not exist yet."""
    if not _is_there(path):
        return None
    again = f"Delete {path.parent / 'mitmproxy-ca*'}: the proxy makes a new one. Then start OpenCode again."
    try:
        trusted, signing = _load(path), _load(path.with_name("mitmproxy-ca.pem"))
    except FileNotFoundError as error:
        return failure(_NAME, f"{error.filename} is missing", again)
    except OSError as error:
        fix = f"Make yourself the owner of {path.parent} and the files in it, and make them readable."
        return failure(_NAME, f"{error.filename} cannot be read ({error.strerror or error})", fix)
    except ValueError:
        return failure(_NAME, f"{path}, or mitmproxy-ca.pem in the same folder, is damaged", again)
    if trusted != signing:
        return failure(_NAME, f"{path} is not the one that mitmproxy signs with (mitmproxy-ca.pem)", again)
    if trusted.not_valid_after_utc < datetime.now(UTC):
        return failure(_NAME, f"{path} expired on {trusted.not_valid_after_utc:%Y-%m-%d}", again)
    return None


def _is_there(path: Path) -> bool:
    """Return whether mitmproxy has a CA: it creates both files again if the one with the key is missing."""
    return not is_missing(path.with_name("mitmproxy-ca.pem"))


def _load(path: Path) -> x509.Certificate:
    """Return the certificate in a PEM file. Raises OSError, or ValueError if there is none."""
    return x509.load_pem_x509_certificate(path.read_bytes())
