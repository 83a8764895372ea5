"""Endpoints that accept the Codex CLI's instructions alone."""

from codex_transform.attempts.edits import Edit, ReplaceInstructions, digest
from codex_transform.attempts.failure import Failure
from codex_transform.attempts.rule import Sent, words

_BAD_INSTRUCTIONS = words(r"\binstructions?\b.*\bnot (valid|allowed|supported|accepted)|\binvalid instructions?\b")


def is_about_instructions(failure: Failure) -> bool:
    """Return whether the endpoint refused the instructions."""
    return failure.status in (400, 403, 422) and (
        failure.param == "instructions" or bool(_BAD_INSTRUCTIONS.search(failure.message))
    )


def refused_instructions(failure: Failure, sent: Sent) -> Edit | None:
    """Send the model's own Codex instructions, the newest first: some endpoints accept no others."""
    refused = sent.body.get("instructions")
    if not is_about_instructions(failure) or not isinstance(refused, str):
        return None
    texts = sent.codex_instructions()
    tried = next((place for place, each in enumerate(texts) if each.text == refused), -1)
    if tried + 1 >= len(texts):
        return None
    text, source = texts[tried + 1]
    return ReplaceInstructions(digest(refused), text, source, kept=sent.own_instructions)
