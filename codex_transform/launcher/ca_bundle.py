"""Certificate authorities for a command behind the proxy: the usual ones, the user's own, and mitmproxy's.

NODE_EXTRA_CA_CERTS adds to what a program trusts. SSL_CERT_FILE and REQUESTS_CA_BUNDLE replace it, so a file for them
holds the system's authorities as well: only api.openai.com gets its certificate from the proxy. A variable that the
user has set keeps what it says, since a company's network may depend on it: the file holds both.
"""

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

import certifi

_EXTENDING = "NODE_EXTRA_CA_CERTS"
_REPLACING = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_REPLACE_IF_SET = ("CURL_CA_BUNDLE",)  # curl and requests then look at no other

# Where systems keep theirs in one file: Debian and Alpine, Fedora, openSUSE, macOS and the BSDs.
_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def ca_variables(environ: Mapping[str, str], authority: str, folder: Path) -> tuple[dict[str, str], list[str]]:
    """Variables that have a command trust `authority`, the proxy's, besides what `environ` has it trust.

    The files that they name are written into `folder`. Also gives warnings, of files that cannot be read. Raises
    OSError when a file cannot be written.
    """
    warnings: list[str] = []
    variables: dict[str, str] = {}
    for name in (_EXTENDING, *_REPLACING, *_REPLACE_IF_SET):
        certificates: list[bytes] = []
        path = environ.get(name, "").strip()
        if path:
            try:
                certificates = list(_certificates(Path(path)))
            except OSError as error:
                warnings.append(f"{name}={path} cannot be read ({error.strerror or error}): it is left out")
        elif name in _REPLACE_IF_SET:
            continue
        if not certificates and name != _EXTENDING:
            certificates = list(_default_cas())
        bundle = folder / f"{name.lower()}.pem"
        bundle.write_bytes(b"\n".join([*certificates, authority.encode()]))
        variables[name] = str(bundle)
    return variables, warnings


def _certificates(path: Path) -> Iterator[bytes]:
    """Yield what a file holds, or the files of a folder, which REQUESTS_CA_BUNDLE may name. Raises OSError."""
    if path.is_dir():
        yield from (file.read_bytes() for file in sorted(path.iterdir()) if file.is_file())
    else:
        yield path.read_bytes()


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
