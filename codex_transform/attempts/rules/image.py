"""Images that the endpoint does not take for one, or cannot use."""

from base64 import b64decode
from binascii import Error as Base64Error

from codex_transform.attempts.attachments import Attachment, attachments
from codex_transform.attempts.edits import Edit, ReplaceAttachments, digest
from codex_transform.attempts.failure import Failure
from codex_transform.attempts.json_path import Path
from codex_transform.attempts.rule import INVALID, UNKNOWN_PARAMETER, Sent, words

_BAD_IMAGE = (
    r"(valid|support|supported|process|decode|download|fetch|read|parse|corrupt|unsupported|format|mime)\b.*\bimage"
    r"|image\b.*\b(valid|support|supported|process|decode|download|fetch|read|parse|corrupt|unsupported|format|mime)"
    r"|unsupported (mime|media|image)|图片"
)
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")


def invalid_image(failure: Failure, sent: Sent) -> Edit | None:
    """Replace the image that the endpoint names, or all that are none of PNG, JPEG, GIF and WebP, or else all."""
    about_image = failure.code.startswith(("invalid_image", "image_", "unsupported_image")) or bool(
        words(_BAD_IMAGE).search(failure.message)
    )
    if failure.status not in INVALID or not about_image or failure.code in UNKNOWN_PARAMETER:
        return None
    images = [each for each in attachments(sent.body) if each.is_image]
    path = failure.input_path
    named = [each for each in images if _is_at(each, path)] or [
        each for each in images if each.url.startswith("http") and each.url in failure.message
    ]
    chosen = named or [each for each in images if not _is_image(each.url)] or images
    why = f"the endpoint refused it ({failure.brief})"
    return ReplaceAttachments(frozenset(digest(each.part) for each in chosen), why) if chosen else None


def _is_at(attachment: Attachment, path: Path) -> bool:
    return len(path) >= 3 and path[0] == attachment.item and path[2] == attachment.position


def _is_image(url: str) -> bool:
    """Return whether an image begins like one; an address says nothing about that."""
    if not url.startswith("data:"):
        return True
    head, _, data = url[:200].partition(",")
    try:
        beginning = b64decode(data[:32] + "=" * (-len(data[:32]) % 4)) if head.endswith(";base64") else data.encode()
    except (Base64Error, ValueError):
        return False
    return beginning.startswith(_SIGNATURES)
