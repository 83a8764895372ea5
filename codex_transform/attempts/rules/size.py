"""Gateways that take no request of that size."""

from codex_transform.attempts.attachments import attachments
from codex_transform.attempts.edits import Edit, ReplaceAttachments, digest
from codex_transform.attempts.failure import Failure
from codex_transform.attempts.rule import NOT_THE_FORM, Sent, words

_TOO_LARGE = (
    r"\b(request|body|payload|entity|content)\b.{0,40}\btoo (large|big)\b|request_too_large|请求体过大"
    r"|\b(exceed|larger than|over)\w*\b.{0,60}\b((body|payload) (size|limit|length)|request size)"
    r"|\b(body|payload|request size)\b.{0,40}\bexceed"
)


def is_too_large(failure: Failure) -> bool:
    """Return whether the body, rather than the model's context, was too large."""
    if failure.status in (None, 401, 403, 429) or failure.code in NOT_THE_FORM:
        return False
    return failure.status == 413 or bool(words(_TOO_LARGE).search(failure.message))


def too_large(failure: Failure, sent: Sent) -> Edit | None:
    """Leave out the attachments of earlier turns."""
    if not is_too_large(failure):
        return None
    items = sent.body["input"]
    last = max((index for index, item in enumerate(items) if item.get("role") == "user"), default=0)
    digests = frozenset(digest(each.part) for each in attachments(sent.body) if each.item < last)
    return ReplaceAttachments(digests, "the request was too large for the endpoint") if digests else None
