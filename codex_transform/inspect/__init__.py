"""A call as a person reads it: what was asked, what was changed on the way, what came back and what it cost.

Pure functions from bodies to text. `text` makes any string fit to be shown, `items` describes one item of a
conversation, `answer` reads the body of an answer, `steps` and `changes` find out what became of a request and why,
`advice` says what to do about a failure; `request` and `response` put it all on a page.
"""
