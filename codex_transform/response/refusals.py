"""What an endpoint means by 403, which stands for many refusals besides that of a key.

Strategy: a table of words by which relays and gateways tell them apart, the most specific first; the first row that
fits decides. The key is blamed only where the endpoint blames it, or says nothing. The words are those of OpenAI's API
("unsupported_country_region_territory"), of new-api and one-api ("insufficient_user_quota", "额度不足") and of relays
that admit the Codex CLI alone ("codex_access_restricted").
"""

import re
from typing import NamedTuple


class Refusal(NamedTuple):
    """The words that tell a refusal, the HTTP status and code for the client, and what it means, with the fix."""

    words: re.Pattern[str]
    status: int
    code: str
    explanation: str


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


REFUSALS = (
    Refusal(
        _words(
            r"quota|额度|余额|(daily|weekly|monthly|spending) limit|insufficient (credit|balance|fund)|credit balance"
        ),
        429,
        "insufficient_quota",
        "The quota of this key is used up. Wait until it is renewed, or add to it.",
    ),
    Refusal(
        _words(r"codex_access_restricted|official codex|codex (cli )?clients? only|only codex"),
        403,
        "codex_access_restricted",
        "This endpoint admits the Codex CLI alone. Ask its operator whether other clients may use it.",
    ),
    Refusal(
        _words(r"unsupported_country|\bcountry\b|\bregion\b|\bterritory\b|地区"),
        403,
        "unsupported_country_region_territory",
        "This endpoint does not serve your region. Ask its operator.",
    ),
    Refusal(
        _words(r"\bmodels?\b|模型"),
        403,
        "model_not_allowed",
        "This key may not use the model. Choose another one: /models in OpenCode.",
    ),
)
"""The first row whose words are in the endpoint's code, type or message decides."""

_KEY = _words(r"key|token|auth|credential|bearer|login|log in|sign in|密钥|令牌")


def find_refusal(text: str) -> Refusal | None:
    """Return what an endpoint that said this refuses; None if it is the key, or if nothing tells."""
    return next((refusal for refusal in REFUSALS if refusal.words.search(text)), None)


def blames_key(text: str) -> bool:
    """Return whether an endpoint that said this refuses the key; one that said nothing probably does."""
    return not text.strip() or bool(_KEY.search(text))
