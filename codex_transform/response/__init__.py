"""A Codex endpoint's answer becomes what an OpenAI client expects; no I/O, no mitmproxy.

From the bytes up: `sse` cuts a byte stream into events, `rules` says what is to be done with each type of event, and
`rewrite` has it done: `skim` recognises what needs nothing, `repair` repairs the rest. `stream` is the whole way for a
client that streams, content encodings included. `fold` makes one response object of a stream, `unfold` a stream of one
response object. `report` reads the errors of every endpoint's own shape, `errors` turns an HTTP error into the one the
client gets, `hiding` keeps keys out of both.
"""
