"""What is known of refusals: how to recognise one, and what to change so that the request is accepted.

Strategy: one table, of which the first rule that has an answer decides; each rule is a module. It looks at the failure
and at the body that was sent, and returns an edit, or None. The words are those of OpenAI's API (error codes of the
Responses API), of the Codex backend, of FastAPI, and of relays as their users report them.
"""

from codex_transform.attempts.rule import Rule, Scope
from codex_transform.attempts.rules.encrypted_content import encrypted_content
from codex_transform.attempts.rules.image import invalid_image
from codex_transform.attempts.rules.instructions import refused_instructions
from codex_transform.attempts.rules.item import refused_item
from codex_transform.attempts.rules.parameter import unsupported_parameter
from codex_transform.attempts.rules.size import too_large

RULES: tuple[Rule, ...] = (
    Rule("encrypted content", encrypted_content, Scope.CONVERSATION),
    Rule("image", invalid_image, Scope.CONVERSATION),
    Rule("item", refused_item, Scope.CONVERSATION),
    Rule("parameter", unsupported_parameter, Scope.ENDPOINT),
    Rule("instructions", refused_instructions, Scope.ENDPOINT),
    Rule("size", too_large, Scope.CONVERSATION),
)
"""The rules that change a request, in the order in which they are asked."""
