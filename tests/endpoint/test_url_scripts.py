"""Base URLs in other scripts than Latin: what is sent is ASCII."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.endpoint.url import parse


@pytest.mark.parametrize(
    ("base_url", "authority"),
    [
        ("https://b\u00fccher.example", "xn--bcher-kva.example"),
        ("https://B\u00dcCHER.example:8443", "xn--bcher-kva.example:8443"),
        ("https://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("https://\u4f8b\u5b50.example.", "xn--fsqu00a.example"),
        ("https://h\u3002", "h"),
        ("https://[FE80::1]:8443", "[fe80::1]:8443"),
    ],
)
def test_a_host_is_encoded_as_idna(base_url: str, authority: str) -> None:
    endpoint = parse(base_url)
    assert endpoint.authority == authority
    assert endpoint.matches(authority.partition("]")[0].strip("[").removesuffix(":8443"), endpoint.port)


def test_digits_of_another_script_are_read_as_digits() -> None:
    """The resolver does the same: this is the machine's own address."""
    endpoint = parse("http://\uff11\uff12\uff17.0.0.1")
    assert endpoint.host == "127.0.0.1"
    assert not endpoint.exposes_key


@pytest.mark.parametrize(
    ("base_url", "path"),
    [
        ("https://h/m\u00fcnchen/v1", "/m%C3%BCnchen/v1/responses"),
        ("https://h/a%20b", "/a%20b/backend-api/codex/responses"),
        ("https://h/a|b", "/a%7Cb/backend-api/codex/responses"),
        ("https://h/~me/a:b;c=d,e@f!", "/~me/a:b;c=d,e@f!/backend-api/codex/responses"),
    ],
)
def test_a_path_is_percent_encoded(base_url: str, path: str) -> None:
    assert parse(base_url).path == path


@pytest.mark.parametrize(
    "host", ["h%0a.example", "%", "a..example", f"{'a' * 64}.example", "\u2024", "h,i", "h..", "."]
)
def test_invalid_hosts(host: str) -> None:
    with pytest.raises(ValueError, match="is not a host"):
        parse(f"https://{host}/v1")


@given(st.text(max_size=12), st.text(max_size=12))
def test_an_accepted_url_is_ascii_and_parses_to_itself(host: str, path: str) -> None:
    try:
        endpoint = parse(f"https://{host}/{path}")
    except ValueError:
        return
    assert endpoint.url.isascii()
    assert parse(endpoint.url) == endpoint
