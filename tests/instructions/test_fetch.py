"""One conditional GET against a real server, and what is read from a catalogue file."""

import gzip
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.certificates import certificate
from support.raw_host import Answer, RawHost, raw_host

from codex_transform.instructions.fetch import (
    MAX_BYTES,
    Fetched,
    FetchError,
    MissingError,
    extract,
    fetch,
    validate_root,
)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def host() -> Iterator[RawHost]:
    with raw_host() as host:
        yield host


def get(host: RawHost, path: str = "file", etag: str | None = None) -> Fetched | None:
    return fetch(f"{host.root}/{path}", etag, timeout=30.0, deadline=30.0)


def test_a_file_comes_with_its_etag(host: RawHost) -> None:
    host.answers["file"] = Answer(b"body", etag='"one"')
    assert get(host) == Fetched(b"body", '"one"')
    headers = host.requests[0].headers
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"].startswith("codex-transform/")
    assert "if-none-match" not in headers


def test_an_unchanged_file_is_none(host: RawHost) -> None:
    host.answers["file"] = Answer(b"body", etag='W/"one"')
    assert get(host, etag='W/"one"') is None
    assert get(host, etag='W/"older"') == Fetched(b"body", 'W/"one"')


@pytest.mark.parametrize("etag", ["bare", '"with "quote"', '"', "<x>", '"sp ace"'])
def test_an_invalid_etag_is_not_kept(host: RawHost, etag: str) -> None:
    host.answers["file"] = Answer(b"body", headers={"ETag": etag})
    assert get(host) == Fetched(b"body", None)


def test_404_has_an_error_of_its_own(host: RawHost) -> None:
    with pytest.raises(MissingError, match="HTTP 404"):
        get(host)


@pytest.mark.parametrize("status", [204, 206, 304, 400, 403, 429, 500, 503])
def test_any_other_status_fails(host: RawHost, status: int) -> None:
    host.answers["file"] = Answer(status=status)
    with pytest.raises(FetchError, match=f"^HTTP {status}$") as caught:
        get(host)
    assert not isinstance(caught.value, MissingError)


def test_a_cut_body_fails(host: RawHost) -> None:
    host.answers["file"] = Answer(b"x" * 100_000, cut=70_000)
    with pytest.raises(FetchError, match="cut off"):
        get(host)


def test_a_cut_chunked_body_fails(host: RawHost) -> None:
    chunked = {"Transfer-Encoding": "chunked"}
    host.answers["file"] = Answer(b"4\r\nbo", announce=False, headers=chunked)
    with pytest.raises(FetchError, match="cut off"):
        get(host)
    host.answers["file"] = Answer(b"2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n", announce=False, headers=chunked)
    assert get(host) == Fetched(b"body", None)


def test_a_body_of_unknown_length_ends_with_the_connection(host: RawHost) -> None:
    host.answers["file"] = Answer(b"body", announce=False)
    assert get(host) == Fetched(b"body", None)


def test_a_compressed_body_fails(host: RawHost) -> None:
    host.answers["file"] = Answer(gzip.compress(b"body"), headers={"Content-Encoding": "gzip"})
    with pytest.raises(FetchError, match="compressed"):
        get(host)
    host.answers["file"] = Answer(b"body", headers={"Content-Encoding": "Identity"})
    assert get(host) == Fetched(b"body", None)


@pytest.mark.parametrize("announce", [True, False])
def test_a_body_over_the_limit_fails(host: RawHost, announce: bool) -> None:
    host.answers["file"] = Answer(bytes(MAX_BYTES + 1), announce=announce)
    with pytest.raises(FetchError, match="too large"):
        fetch(f"{host.root}/file", None, timeout=30.0, deadline=60.0)


def test_a_body_announced_over_the_limit_is_not_waited_for(host: RawHost) -> None:
    host.answers["file"] = Answer(b"x", announce=False, headers={"Content-Length": str(MAX_BYTES + 1)})
    with pytest.raises(FetchError, match="too large"):
        get(host)


def test_a_connection_that_stays_open_is_not_waited_for(host: RawHost) -> None:
    host.answers["file"] = Answer(b"body", linger=True)
    assert fetch(f"{host.root}/file", None, timeout=5.0, deadline=5.0) == Fetched(b"body", None)


def test_a_server_that_never_answers_times_out(host: RawHost) -> None:
    host.answers["file"] = Answer(hang=True)
    with pytest.raises(FetchError, match="timed out"):
        fetch(f"{host.root}/file", None, timeout=0.2, deadline=30.0)


def test_a_server_that_drips_times_out(host: RawHost) -> None:
    host.answers["file"] = Answer(b"x" * 5_000, drip=True)
    began = time.monotonic()
    with pytest.raises(FetchError, match="took too long"):
        fetch(f"{host.root}/file", None, timeout=30.0, deadline=0.2)
    assert time.monotonic() - began < 30


def test_nobody_listening_fails() -> None:
    with raw_host() as gone:
        root = gone.root
    with pytest.raises(FetchError, match="refused"):
        fetch(f"{root}/file", None, timeout=30.0, deadline=30.0)


def test_a_dead_proxy_is_named_without_its_password(host: RawHost, monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_host() as gone:
        dead = gone.root.removeprefix("http://").partition("/")[0]
    monkeypatch.setenv("http_proxy", f"http://me:word@{dead}")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(FetchError) as failure:
        fetch(f"{host.root}/file", None, timeout=30.0, deadline=30.0)
    assert str(failure.value).startswith(f"through the proxy {dead} (HTTP_PROXY): ")
    assert "word" not in str(failure.value)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    host.answers["file"] = Answer(b"body")
    assert get(host) == Fetched(b"body", None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_with_the_condition(host: RawHost, status: int) -> None:
    host.answers["file"] = Answer(status=status, headers={"Location": "/there"})
    host.answers["there"] = Answer(b"body", etag='"one"')
    assert get(host) == Fetched(b"body", '"one"')
    assert get(host, etag='"one"') is None


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/x", "file:///etc/hosts"])
def test_a_redirect_to_another_scheme_fails(host: RawHost, location: str) -> None:
    host.answers["file"] = Answer(status=302, headers={"Location": location})
    with pytest.raises(FetchError):
        get(host)


def test_redirects_in_a_circle_fail(host: RawHost) -> None:
    host.answers["file"] = Answer(status=302, headers={"Location": "/file"})
    with pytest.raises(FetchError, match="HTTP 302"):
        get(host)


def test_the_proxy_of_the_environment_is_used(host: RawHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", host.root)
    host.answers["http://raw.invalid/file"] = Answer(b"body")
    assert fetch("http://raw.invalid/file", None, timeout=30.0, deadline=30.0) == Fetched(b"body", None)


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 and its key in one file."""
    return certificate(tmp_path_factory.mktemp("tls"))[0]


@pytest.fixture
def secure(trusted: Path) -> Iterator[RawHost]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted)
    with raw_host(context) as host:
        yield host


def test_the_system_certificates_are_trusted(secure: RawHost, trusted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secure.answers["file"] = Answer(b"body")
    with pytest.raises(FetchError, match="certificate verify failed"):
        get(secure)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    assert get(secure) == Fetched(b"body", None)


def test_a_redirect_from_https_to_http_is_refused(
    host: RawHost, secure: RawHost, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    secure.answers["file"] = Answer(status=302, headers={"Location": f"{host.root}/file"})
    host.answers["file"] = Answer(b"body")
    with pytest.raises(FetchError, match="without TLS"):
        get(secure)
    assert host.requests == []
    host.answers["up"] = Answer(status=302, headers={"Location": f"{secure.root}/end"})
    secure.answers["end"] = Answer(b"secure body")
    assert get(host, "up") == Fetched(b"secure body", None)


@pytest.mark.parametrize(
    "root",
    ["https://raw.githubusercontent.com/openai/codex", "http://127.0.0.1:8080", "https://[::1]/a/b", "HTTP://h"],
)
def test_good_roots(root: str) -> None:
    assert validate_root(root) is None


@pytest.mark.parametrize(
    ("root", "problem"),
    [
        ("", "is not a URL"),
        ("https://h/a b", "is not a URL"),
        ("https://h/\nx", "is not a URL"),
        ("https://h/ü", "is not a URL"),
        ("https://[::1", "is not a URL"),
        ("https://h:port/", "is not a URL"),
        ("https://h:99999/", "is not a URL"),
        ("raw.githubusercontent.com/openai/codex", "is not an http:// or https:// URL"),
        ("file:///etc", "is not an http:// or https:// URL"),
        ("ftp://h/", "is not an http:// or https:// URL"),
        ("https://", "is not an http:// or https:// URL"),
        ("https://user:secret@h/", "must have no user info, query or fragment"),
        ("https://@h/", "must have no user info, query or fragment"),
        ("https://h/?token=secret", "must have no user info, query or fragment"),
        ("https://h/#x", "must have no user info, query or fragment"),
    ],
)
def test_bad_roots_are_explained_but_not_repeated(root: str, problem: str) -> None:
    assert validate_root(root) == problem


def extracted_texts(*models: Any) -> dict[str, str]:
    return extract(json.dumps({"models": models}).encode()).texts


def test_base_instructions_come_first() -> None:
    messages = {"instructions_template": "template"}
    assert extracted_texts(
        {"slug": "a", "base_instructions": " base {{ personality }}\n", "model_messages": messages},
        {"slug": "b", "base_instructions": "", "model_messages": messages},
        {"slug": "c", "base_instructions": " \n", "model_messages": messages},
        {"slug": "d", "base_instructions": None, "model_messages": messages},
    ) == {"a": " base {{ personality }}\n", "b": "template", "c": "template", "d": "template"}


@pytest.mark.parametrize(
    ("variables", "elsewhere", "expected"),
    [
        ({"personality_default": "calm"}, None, "Be calm. {{connector_id}} {x} {{ other }}"),
        ({"personality_default": ""}, None, "Be . {{connector_id}} {x} {{ other }}"),
        ({"personality_default": None}, None, "Be . {{connector_id}} {x} {{ other }}"),
        ({}, None, "Be . {{connector_id}} {x} {{ other }}"),
        (None, None, "Be . {{connector_id}} {x} {{ other }}"),
        ("odd", None, "Be . {{connector_id}} {x} {{ other }}"),
        (None, {"personality_default": "calm"}, "Be calm. {{connector_id}} {x} {{ other }}"),
        ({"personality_default": "{{ personality }}"}, None, "Be {{ personality }}. {{connector_id}} {x} {{ other }}"),
    ],
)
def test_only_the_personality_is_filled_in(variables: Any, elsewhere: Any, expected: str) -> None:
    template = "Be {{ personality }}. {{connector_id}} {x} {{ other }}"
    messages = {"instructions_template": template, "instructions_variables": variables}
    model = {"slug": "a", "model_messages": messages, "instructions_variables": elsewhere}
    assert extracted_texts(model) == {"a": expected}


def test_what_is_not_a_model_is_left_out() -> None:
    assert extracted_texts(
        None,
        7,
        "a",
        [],
        {},
        {"slug": 1, "base_instructions": "x"},
        {"slug": "", "base_instructions": "x"},
        {"slug": "no-text"},
        {"slug": "odd", "base_instructions": ["x"], "model_messages": ["x"]},
        {"slug": "blank", "model_messages": {"instructions_template": "{{ personality }}"}},
        {"slug": "good", "base_instructions": "x"},
    ) == {"good": "x"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!doctype html><title>Sign in</title>",
        b'{"models": [{"slug": "a", "base_instr',
        b"null",
        b"[]",
        b'"models"',
        b"{}",
        b'{"models": null}',
        b'{"models": {"slug": "a", "base_instructions": "x"}}',
        b'{"models": []}',
        b'{"models": [{"slug": "a"}]}',
        b'{"models": [{"slug": "a", "base_instructions": "\\ud800"}]}',
        b'{"models": [{"slug": "a", "base_instructions": "\xff"}]}',
        b"[" * 100_000,
    ],
)
def test_garbage_is_refused(body: bytes) -> None:
    with pytest.raises(FetchError, match="the response is not"):
        extract(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["slug", "base_instructions", "model_messages", "instructions_template", "instructions_variables"]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.binary() | json_values.map(lambda value: json.dumps({"models": [value]}).encode()))
def test_any_body_gives_texts_or_a_fetch_error(body: bytes) -> None:
    try:
        texts = extract(body).texts
    except FetchError:
        return
    assert texts
    assert all(slug.strip() and text.strip() for slug, text in texts.items())
