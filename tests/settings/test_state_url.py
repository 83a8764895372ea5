"""URLs of Redis servers: which are valid, how they are shown, and that the `redis` package reads them the same way."""

from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from codex_transform.settings.options import OPTIONS
from codex_transform.settings.state_url import StateUrl, parse, parse_or_none

READ = next(option.read for option in OPTIONS if option.field == "state")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://localhost", "redis://localhost:6379/0"),
        ("redis://10.0.0.5:7000/3", "redis://10.0.0.5:7000/3"),
        ("rediss://:secret@Redis.Example/", "rediss://:…@redis.example:6379/0"),
        ("redis://alice:sec%40ret@[::1]:1/2", "redis://alice:…@[::1]:1/2"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("unix://:secret@/run/redis.sock?db=2", "unix://:…@/run/redis.sock?db=2"),
    ],
)
def test_valid_urls_and_their_redacted_form(text: str, shown: str) -> None:
    url = READ(f" {text}\n")
    assert isinstance(url, StateUrl)
    assert (url.text, url.shown, str(url)) == (text, shown, shown)
    assert "sec" not in repr(url)
    assert READ(url) is url


@pytest.mark.parametrize(
    "text",
    [
        "cloud",
        "http://host",
        "redis:",
        "redis://",
        "redis://host:0",
        "redis://host:99999",
        "redis://host:x",
        "redis://alice@host",
        "redis://host/db",
        "redis://host/1/2",
        "redis://host/1?decode_responses=true",
        "redis://:pa#ss@host",
        "redis://:pa ss@host",
        "redis://:secret@host name",
        "redis://:secret@-host",
        "redis://[::1",
        "unix://host/path",
        "unix:///",
        "unix:///path?db=x",
        "unix:///path?db=1&password=x",
        "redis://hóst",
    ],
)
def test_invalid_urls_are_refused_without_showing_the_password(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(has|is|must|may) ") as caught:
        READ(text)
    assert "secret" not in str(caught.value)
    assert parse_or_none(text) is None


pieces = st.sampled_from(["host", "10.0.0.5", "[::1]", ":", ":1", "@", "/", "/run", "?db=1", "%40", "#", " ", "é"])


@given(st.text() | st.lists(pieces).map("".join))
def test_any_text_is_a_url_or_invalid(text: str) -> None:
    for each in (text, f"redis://{text}", f"unix://{text}"):
        url = parse_or_none(each)
        if url is None:
            with pytest.raises(ValueError, match=r"^(has|is|must|may) "):
                parse(each.strip())
        else:
            assert parse(url.text) == url
            assert url.shown.isprintable()


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1)


@given(st.sampled_from(["redis", "rediss"]), st.none() | words, words, st.integers(1, 65535), st.integers(0, 9999))
def test_the_redis_package_reads_the_same_url(
    scheme: str, user: str | None, password: str, port: int, database: int
) -> None:
    from redis.connection import parse_url

    text = f"{scheme}://{quote(user or '', safe='')}:{quote(password, safe='')}@h.example:{port}/{database}"
    url = parse(text)
    read = parse_url(text)  # type: ignore[no-untyped-call]
    assert url.password == password == read["password"]
    assert url.shown.endswith(f"@{read['host']}:{read['port']}/{read.get('db', 0)}")
    assume(len(password) > 3)
    assert password not in url.redacted(f"{password}: {quote(password, safe='')}")


def test_passwords_in_an_error_message_are_redacted() -> None:
    url = parse("redis://alice:s%40cret@h")
    assert url.redacted("Error at redis://alice:s%40cret@h: s@cret and s%40cret") == (
        "Error at redis://alice:…@h:6379/0: … and …"
    )
