"""The keys of people.

A key is random and long, so a plain hash of it is enough to keep: it cannot be guessed from that.
"""

from hashlib import sha256

KEY_PREFIX = "ct-"


def hash_key(key: str) -> str:
    """Return what is kept of a key."""
    return sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
