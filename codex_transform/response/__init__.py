"""A Codex endpoint's response becomes what an OpenAI client expects; no I/O, no mitmproxy.

From the bytes up: `sse` cuts a byte stream into events, `event_rules` is the table of what each type of event needs,
and `rewriter` applies it: `delta_template` recognises deltas that need nothing, `event_repair` repairs the rest. What
grows in a stream, and how, is described in `text_kinds`, `text_growth` and `item_growth`; by them `output_items` puts
in what a stream left out, and `output_order` tells which item an event is about. `request_members`, `response_members`
and `item_members` have what the specification requires of response objects and items.
`stream` is the whole way for a client that streams, content encodings included. `events_to_response` makes one response
object of a stream, `response_to_events` a stream of one object. `upstream_error` reads errors of any shape,
`http_error`, `network_error` and `body_errors` turn refusals, lost connections and other bodies into the error that the
client gets.
"""
