"""OpenAI's own Python SDK, as a client behind the proxy."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import openai

from support.running import Proxy


@contextmanager
def client(proxy: Proxy, trust: ssl.SSLContext | None = None, http2: bool = False) -> Iterator[openai.OpenAI]:
    """Yield an SDK client that trusts the proxy, never retries, and has a dummy key."""
    trust = trust or ssl.create_default_context(cafile=str(proxy.ca))
    with openai.DefaultHttpxClient(proxy=proxy.url, verify=trust, http2=http2) as http:
        yield openai.OpenAI(
            api_key="sk-dummy-of-the-client-0000",
            base_url="https://api.openai.com/v1",
            http_client=http,
            max_retries=0,
            timeout=30,
        )
