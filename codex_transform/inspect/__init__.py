"""A call as a person reads it: what was asked, what changed on the way, what came back and what it cost.

Pure functions from bodies and records to text. `text` makes any string safe to show, `items` describes one item of a
conversation, `parsed_body` reads the body of a response, `changes` lists what changed in a request and why, `advice`
recommends what to do about a failure; `request` and `response` lay out the pages.
"""
