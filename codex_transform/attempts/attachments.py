"""The images and files in the input of a request: where they are, and what to call them."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from codex_transform.request.raw_items import members_of
from codex_transform.text import format_bytes, one_line

Body = dict[str, Any]

_TEXTS = ("input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text")
_DATA_URL = re.compile(r"data:([\w.+/-]*)(?:;[\w=.-]+)*,")


class Attachment(NamedTuple):
    """An image or a file in the input: the index of its item, the member with the parts, its position, and itself."""

    item: int
    member: str
    position: int
    part: Body

    @property
    def is_image(self) -> bool:
        """Whether it claims to be an image."""
        return self.part.get("type") == "input_image"

    @property
    def url(self) -> str:
        """Where an image is, or what it is: often a data URL. "" if it has none."""
        url = self.part.get("image_url")
        url = url.get("url") if isinstance(url, dict) else url
        return url if isinstance(url, str) else ""

    @property
    def name(self) -> str:
        """What to call it: `image (image/svg+xml, 2 kB)`, `file report.pdf`."""
        if not self.is_image:
            filename = self.part.get("filename") or self.part.get("file_url")
            return f"file {one_line(filename, 100)}" if isinstance(filename, str) and filename else "an attachment"
        if match := _DATA_URL.match(self.url[:200]):
            size = (len(self.url) - match.end()) * 3 // 4
            return f"image ({', '.join(filter(None, (match[1], format_bytes(size))))})"
        return f"image {one_line(self.url, 100)}" if self.url else "an image"


def attachments(body: Body) -> Iterator[Attachment]:
    """Yield the images and files of the input, in messages and in tool outputs."""
    for index, item in enumerate(body["input"]):
        members = members_of(item)
        for member in ("content", "output"):
            parts = members.get(member)
            for position, part in enumerate(parts if isinstance(parts, list) else ()):
                if isinstance(part, dict) and part.get("type") not in _TEXTS:
                    yield Attachment(index, member, position, part)
