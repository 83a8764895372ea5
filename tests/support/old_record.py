"""The record of a call as in a flow file of the first release."""

from typing import Any

RECORD: dict[str, Any] = {
    "id": "0a1b2c3d",
    "at": 1799999000.5,
    "asked": "gpt-5-codex",
    "model": "gpt-5.1-codex",
    "effort": "high",
    "verbosity": None,
    "conversation": "ses_1",
    "streaming": True,
    "items": 12,
    "tools": 9,
    "bytes": 48231,
    "instructions": {"ref": "rust-v0.169.0", "sha256": "00ff", "chars": 7000},
    "status": 200,
    "outcome": "completed",
    "error": None,
    "code": None,
    "repaired": ["model"],
    "events": 231,
    "tokens": {"input": 12345, "cached": 1024, "output": 480, "reasoning": 320},
    "first_token": 0.8,
    "total": 6.1,
    "cache": {
        "cause": "effort",
        "says": "effort high → low by the client: 11.3k not cached",
        "expected": 1024,
        "missed": 11264,
        "by": "client",
    },
}
