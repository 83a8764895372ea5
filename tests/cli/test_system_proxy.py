from codex_transform.launcher import child_env


def test_the_systems_proxy_counts_where_no_variable_is_set() -> None:
    nobody = "http://127.0.0.1:9"
    beyond, notes = child_env.upstream({"NO_PROXY": "x"}, lambda: {"https": nobody, "http": "http://other:1"})
    assert beyond.arguments == ()
    assert notes == [f"The system's proxy setting names {nobody}, where nothing listens: requests go without it"]


def test_a_variable_goes_before_the_systems_proxy() -> None:
    _, notes = child_env.upstream({"HTTPS_PROXY": "http://"}, lambda: {"https": "http://127.0.0.1:9"})
    assert notes == ["HTTPS_PROXY is not an address: requests go without it"]


def test_no_proxy_at_all() -> None:
    assert child_env.upstream({}, dict) == (child_env.Upstream(), [])
