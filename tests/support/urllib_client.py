"""A client that finds the proxy only by the environment variables that urllib reads: `python urllib_client.py`."""

import os
import sys
import urllib.request

if __name__ == "__main__":
    headers = {"content-type": "application/json", "authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', '')}"}
    body = b'{"model": "gpt-5.1", "input": "say hello"}'
    request = urllib.request.Request("https://api.openai.com/v1/responses", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        sys.stdout.write(answer.read().decode())
