"""Certificate authorities for a command behind the proxy: the usual ones, the user's own, and mitmproxy's.

Some variables add to what a program trusts, others replace it: a file for one of those holds the system's authorities
as well, as only api.openai.com gets its certificate from the proxy. A variable that the user has set keeps what it
says, since a company's network may depend on it: the file holds both.

SSL_CERT_DIR is not for the command. OpenSSL and Go look there and into SSL_CERT_FILE, others at one of both, such as
httpx and older releases of curl. What lies in its folders is in the file for SSL_CERT_FILE, which all of them read.
"""

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import certifi


class _Variable(NamedTuple):
    """One that names a file of authorities. `always`: set where the user has not, too."""

    name: str
    adds: bool = False
    always: bool = True
    folders: str = ""
    """The variable whose folders count besides the file."""


_VARIABLES = (
    _Variable("NODE_EXTRA_CA_CERTS", adds=True),  # Node and Bun
    _Variable("DENO_CERT", adds=True),
    _Variable("SSL_CERT_FILE", folders="SSL_CERT_DIR"),  # OpenSSL, Go, Rust, httpx
    _Variable("REQUESTS_CA_BUNDLE"),
    # Where these are set nothing else is looked at: by curl and requests, the Codex CLI, and the programs of nixpkgs.
    _Variable("CURL_CA_BUNDLE", always=False),
    _Variable("CODEX_CA_CERTIFICATE", always=False, adds=True),
    _Variable("NIX_SSL_CERT_FILE", always=False),
)

REPLACED = tuple(variable.folders for variable in _VARIABLES if variable.folders)
"""Variables that the command does without: a file has what they name."""

# Where systems keep theirs in one file: Debian and Alpine, Fedora, openSUSE, macOS and the BSDs.
_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

_CERTIFICATE = re.compile(rb"-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----.*?-----END \1-----", re.DOTALL)


def ca_variables(environ: Mapping[str, str], authority: str, folder: Path) -> tuple[dict[str, str], list[str]]:
    """Variables that have a command trust `authority`, the proxy's, besides what `environ` has it trust.

    The files that they name are written into `folder`. Also gives warnings, of files that cannot be read. Raises
    OSError when a file cannot be written.
    """
    warnings: list[str] = []
    variables: dict[str, str] = {}
    for variable in _VARIABLES:
        path = environ.get(variable.name, "").strip()
        if not path and not variable.always:
            continue
        certificates = _read(variable.name, path, warnings) if path else []
        if not certificates and not variable.adds:
            certificates = list(_default_cas())
        for each in environ.get(variable.folders, "").split(os.pathsep):
            certificates += _read(variable.folders, each, warnings) if each.strip() else []
        bundle = folder / f"{variable.name.lower()}.pem"
        bundle.write_bytes(b"\n".join([*certificates, authority.encode()]))
        variables[variable.name] = str(bundle)
    return variables, warnings


def _read(name: str, path: str, warnings: list[str]) -> list[bytes]:
    """Return the certificates of a variable's file or folder; adds a warning if it cannot be read."""
    try:
        return list(_certificates(Path(path)))
    except OSError as error:
        warnings.append(f"{name}={path} cannot be read ({error.strerror or error}): it is left out")
        return []


def _certificates(path: Path) -> Iterator[bytes]:
    """Yield what a file holds, or the certificates in a folder, each once. Raises OSError.

    A folder may hold other things: keys, which belong into no other file, and what only others may read.
    """
    if not path.is_dir():
        yield path.read_bytes()
        return
    found: dict[bytes, None] = {}
    for file in sorted(path.iterdir()):
        try:
            text = file.read_bytes()
        except OSError:
            continue
        found |= dict.fromkeys(match[0] for match in _CERTIFICATE.finditer(text))
    yield from found


def _default_cas() -> Iterator[bytes]:
    """Yield the system's authorities, and Mozilla's, which programs bring along."""
    system = Path(ssl.get_default_verify_paths().cafile or "")
    for file in (system, *map(Path, _SYSTEM_FILES)):
        if file.is_file():
            yield file.read_bytes()
            break
    else:  # Windows keeps them in a store
        for certificate in ssl.create_default_context().get_ca_certs(binary_form=True):
            yield ssl.DER_cert_to_PEM_cert(certificate).encode()
    yield Path(certifi.where()).read_bytes()
