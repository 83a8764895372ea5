from codex_transform.endpoint import url as endpoint_url
from codex_transform.endpoint.hosts import is_intercepted_host


def test_configured_hosts_and_the_endpoint_are_intercepted() -> None:
    endpoint = endpoint_url.parse("http://127.0.0.1:9000")
    hosts = ("api.openai.com", "relay.example:8443")
    assert is_intercepted_host("API.openai.com.", 443, hosts, None)
    assert is_intercepted_host("relay.example", 8443, hosts, None)
    assert is_intercepted_host("127.0.0.1", 9000, hosts, endpoint)
    assert not is_intercepted_host("127.0.0.1", 9001, hosts, endpoint)
    assert not is_intercepted_host("relay.example", 443, hosts, endpoint)
    assert not is_intercepted_host("api.openai.com.evil.example", 443, hosts, endpoint)
