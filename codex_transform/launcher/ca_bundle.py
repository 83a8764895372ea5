"""Certificate authorities (CAs) for a command behind the proxy: the system's, the user's own, and mitmproxy's.

Some variables add to the CAs that a program trusts, others replace them. The file for one that replaces them holds the
system's CAs too, because only the certificate of api.openai.com comes from the proxy. If the user has set a variable,
the new file also holds the CAs of the user's file, which a company's network may need.

The command gets no SSL_CERT_DIR. OpenSSL and Go read both it and SSL_CERT_FILE, other programs only one of them, such
as httpx and older releases of curl. The file for SSL_CERT_FILE, which all of them read, holds the CAs of its folders.
"""

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import certifi


class _Variable(NamedTuple):
    """An environment variable that names a CA file.

    `adds`: its file adds to the default CAs rather than replacing them. `always`: it is set for the command even if the
    user has not set it.
    """

    name: str
    adds: bool = False
    always: bool = True
    folders: str = ""
    """The variable whose folders hold more CAs."""


_VARIABLES = (
    _Variable("NODE_EXTRA_CA_CERTS", adds=True),  # Node and Bun
    _Variable("DENO_CERT", adds=True),
    _Variable("SSL_CERT_FILE", folders="SSL_CERT_DIR"),  # OpenSSL, Go, Rust, httpx
    _Variable("REQUESTS_CA_BUNDLE"),
    # If set, these take precedence over all others: in curl and requests, the Codex CLI, and the programs of nixpkgs.
    _Variable("CURL_CA_BUNDLE", always=False),
    _Variable("CODEX_CA_CERTIFICATE", always=False, adds=True),
    _Variable("NIX_SSL_CERT_FILE", always=False),
)

REPLACED = tuple(variable.folders for variable in _VARIABLES if variable.folders)
"""Variables that are removed for the command: a file holds the CAs that they name."""

# The CA files of Debian and Alpine, Fedora, openSUSE, macOS and the BSDs.
_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

_CERTIFICATE = re.compile(rb"-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----.*?-----END \1-----", re.DOTALL)


def ca_variables(environ: Mapping[str, str], authority: str, folder: Path) -> tuple[dict[str, str], list[str]]:
    """Return variables that make a command trust `authority` besides the CAs named in `environ`, and warnings.

    `authority` is the proxy's CA as PEM. The files that the variables name are written to `folder`. There is a warning
    for each file that cannot be read. Raises OSError if a file cannot be written.
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
    """Return the certificates in a variable's file or folder; if it cannot be read, none, and append a warning."""
    try:
        return list(_certificates(Path(path)))
    except OSError as error:
        warnings.append(f"{name}={path} cannot be read ({error.strerror or error}) and is ignored")
        return []


def _certificates(path: Path) -> Iterator[bytes]:
    """Yield the whole content of a file, or each distinct certificate in a folder. Raises OSError.

    A folder may also hold private keys, which must not be copied, and files that are unreadable, which are skipped.
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
    """Yield the system's CAs, and Mozilla's, which many programs are shipped with."""
    system = Path(ssl.get_default_verify_paths().cafile or "")
    for file in (system, *map(Path, _SYSTEM_FILES)):
        if file.is_file():
            yield file.read_bytes()
            break
    else:  # Windows keeps them in a store
        for certificate in ssl.create_default_context().get_ca_certs(binary_form=True):
            yield ssl.DER_cert_to_PEM_cert(certificate).encode()
    yield Path(certifi.where()).read_bytes()
