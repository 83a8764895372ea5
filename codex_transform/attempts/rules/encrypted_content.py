"""Encrypted reasoning that the endpoint cannot read: another account or another endpoint made it."""

from codex_transform.attempts.edits import DropReasoning, Edit, digest, encrypted_reasoning
from codex_transform.attempts.failure import Failure
from codex_transform.attempts.rule import Sent, words

_NOT_DECRYPTED = r"encrypted[ _]content\b.*\b(verified|decrypted|parsed|invalid)|invalid_encrypted_content"


def encrypted_content(failure: Failure, sent: Sent) -> Edit | None:
    """Leave out the encrypted reasoning of a history that another account or endpoint made."""
    if failure.code != "invalid_encrypted_content" and not words(_NOT_DECRYPTED).search(failure.message):
        return None
    contents = (encrypted_reasoning(item) for item in sent.body["input"])
    digests = frozenset(digest(content) for content in contents if content)
    return DropReasoning(digests) if digests else None
