"""A client that finds the proxy only by the variables that Python's own libraries read: `python asks.py`."""

import os
import sys
import urllib.request

if __name__ == "__main__":
    head = {"content-type": "application/json", "authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', '')}"}
    body = b'{"model": "gpt-5.1", "input": "say hello"}'
    request = urllib.request.Request("https://api.openai.com/v1/responses", body, head)
    with urllib.request.urlopen(request, timeout=30) as answer:
        sys.stdout.write(answer.read().decode())
