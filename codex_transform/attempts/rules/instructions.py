"""Endpoints that require instructions, and endpoints that accept the Codex CLI's alone."""

from codex_transform.attempts.edits import AddInstructions, Edit, ReplaceInstructions, UseCodexInstructions, digest
from codex_transform.attempts.failure import Failure
from codex_transform.attempts.rule import Sent, words

_BAD_INSTRUCTIONS = (
    r"\binstructions?\b.*\b(?:not (?:valid|allowed|supported|accepted)|required|missing)"
    r"|\b(?:invalid|missing|requires?|required parameter:?) '?instructions?\b"
)


def is_about_instructions(failure: Failure) -> bool:
    """Return whether the endpoint refused the instructions, or their absence."""
    return failure.status in (400, 403, 422) and (
        failure.param == "instructions" or bool(words(_BAD_INSTRUCTIONS).search(failure.message))
    )


def refused_instructions(failure: Failure, sent: Sent) -> Edit | None:
    """Send the model's own Codex instructions, the newest first: some endpoints accept no others.

    A request without instructions first gets some that say nothing.
    """
    if not is_about_instructions(failure):
        return None
    refused = sent.body.get("instructions")
    if not refused:
        return AddInstructions()
    texts = sent.codex_instructions()
    if sent.source == "client":
        return UseCodexInstructions(digest(refused), *texts[0], sent.client.name, sent.mode) if texts else None
    tried = next((place for place, each in enumerate(texts) if each.text == refused), -1)
    if tried + 1 >= len(texts):
        return None
    text, source = texts[tried + 1]
    return ReplaceInstructions(digest(refused), text, source, kept=sent.source == "file")
