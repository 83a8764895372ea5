from codex_transform.launcher import child_env


def test_without_a_variable_the_systems_proxy_is_used() -> None:
    nobody = "http://127.0.0.1:9"
    beyond, notes = child_env.upstream({"NO_PROXY": "x"}, lambda: {"https": nobody, "http": "http://other:1"})
    assert beyond.arguments == ()
    assert notes == [f"The system's proxy setting names {nobody}, where nothing listens, and is ignored"]


def test_a_variable_takes_precedence_over_the_systems_proxy() -> None:
    _, notes = child_env.upstream({"HTTPS_PROXY": "http://"}, lambda: {"https": "http://127.0.0.1:9"})
    assert notes == ["HTTPS_PROXY is not a valid address and is ignored"]


def test_without_either_there_is_no_upstream_proxy() -> None:
    assert child_env.upstream({}, dict) == (child_env.Upstream(), [])
