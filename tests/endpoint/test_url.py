"""Base URLs, and the paths of the API."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.endpoint import url as endpoint_url


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://h", "https://h/backend-api/codex/responses"),
        ("https://h/", "https://h/backend-api/codex/responses"),
        ("https://h/prefix", "https://h/prefix/backend-api/codex/responses"),
        ("https://h/prefix/", "https://h/prefix/backend-api/codex/responses"),
        ("https://h/backend-api", "https://h/backend-api/codex/responses"),
        ("https://h/backend-api/", "https://h/backend-api/codex/responses"),
        ("https://h/backend-api/codex", "https://h/backend-api/codex/responses"),
        ("https://h/x/backend-api/codex/", "https://h/x/backend-api/codex/responses"),
        ("https://h/v1", "https://h/v1/responses"),
        ("https://h/v1/", "https://h/v1/responses"),
        ("https://h/x/v1", "https://h/x/v1/responses"),
        ("https://h/v1beta", "https://h/v1beta/backend-api/codex/responses"),
        ("https://h/any/where/responses", "https://h/any/where/responses"),
        ("https://h/codex/responses/", "https://h/codex/responses"),
        ("HTTPS://Host.Example:8443/v1", "https://host.example:8443/v1/responses"),
        ("https://h:443/v1", "https://h/v1/responses"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/backend-api/codex/responses"),
        ("http://[::1]:9000/v1", "http://[::1]:9000/v1/responses"),
        ("  https://h/v1\n", "https://h/v1/responses"),
    ],
)
def test_the_url_of_a_base_url(base_url: str, url: str) -> None:
    assert endpoint_url.parse(base_url).url == url


@pytest.mark.parametrize(
    ("base_url", "problem"),
    [
        ("", "scheme is missing"),
        ("your-codex-api.com", "https://your-codex-api.com"),
        ("sk-secret.key.com", "https://your-codex-api.com"),
        ("user:secret@h.com", "https://your-codex-api.com"),
        ("ftp://h", "write http or https"),
        ("file:///etc/passwd", "write http or https"),
        ("https://user:secret@h", "codex_api_key"),
        ("https://@h", "codex_api_key"),
        ("https://", "host is missing"),
        ("https:///v1", "host is missing"),
        ("https://h/v1?x=1", "query"),
        ("https://h/v1?", "query"),
        ("https://h/v1#top", "fragment"),
        ("https://h:99999", "not a URL"),
        ("https://h:0", "not a host"),
        ("https://[::1", "not a URL"),
        ("https://h/a b", "spaces"),
        ("https://h/v1\r\nX: y", "control characters"),
        ("https://h\\@evil", "backslashes"),
        ("https://h/../v1", "segments"),
        ("https://h/a%2F..%2fb", "segments"),
        ("https://h//v1", "segments"),
    ],
)
def test_invalid_base_urls_are_explained(base_url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refused:
        endpoint_url.parse(base_url)
    assert "secret" not in str(refused.value)


@given(st.text() | st.builds("{}{}".format, st.sampled_from(["https://", "http://h/", "https://h:80/v1/"]), st.text()))
def test_any_text_is_a_base_url_or_invalid(text: str) -> None:
    try:
        endpoint = endpoint_url.parse(text)
    except ValueError:
        return
    assert endpoint.path.endswith("/responses")
    assert endpoint_url.parse(endpoint.url) == endpoint


@pytest.mark.parametrize(
    ("url", "exposed"),
    [
        ("http://example.com", True),
        ("http://192.168.1.4:8000", True),
        ("https://example.com", False),
        ("http://localhost:1", False),
        ("http://127.8.8.8:1", False),
        ("http://[::1]:1", False),
        ("http://[::ffff:127.0.0.1]:1", False),
        ("http://localhost.example.com", True),
    ],
)
def test_whether_a_base_url_sends_the_key_unencrypted(url: str, exposed: bool) -> None:
    assert endpoint_url.parse(url).exposes_key is exposed


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/v1/responses", "/responses"),
        ("/v1/responses/", "/responses"),
        ("/responses", "/responses"),
        ("/v1/responses?stream=true", "/responses"),
        ("/backend-api/codex/responses/compact", "/responses/compact"),
        ("/v1/responses/resp_1/cancel", "/responses/resp_1/cancel"),
        ("/v1/conversations/conv_1/items?limit=2", "/conversations/conv_1/items"),
        ("/v1/models/gpt-5.2", "/models/gpt-5.2"),
        ("/backend-api/codex/models?client_version=0.171.0", "/models"),
        ("/v1/chat/completions", None),
        ("/v1/myresponses", None),
        ("/v1/responsesX", None),
        ("/v1/responses/../models", None),
        ("/v1/responses/%2e%2e/models", None),
        ("/v1/files?x=/responses", None),
        ("v1/responses", None),
        ("*", None),
        ("/responses//", None),
        ("/models/a b/responses", "/responses"),
        ("/models/responses", "/models/responses"),
    ],
)
def test_which_paths_belong_to_the_api(path: str, found: str | None) -> None:
    assert endpoint_url.api_path(path) == found


def test_a_long_path_is_read_at_once() -> None:
    """A client could stop the proxy with it: an expression that goes back and forth takes minutes for this one."""
    path = "/responses" * 20_000
    assert endpoint_url.api_path(path) == path
    assert endpoint_url.api_path(f"{path}/%") is None
