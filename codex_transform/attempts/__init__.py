"""A call is a sequence of attempts: what to do when the endpoint refuses one.

Strategy: `next_attempt.decide` is a pure function. It gets what was sent, why that brought no answer (`failure.py`) and
the attempts before it, and returns either the next attempt or None: the failure goes to the client. What is known of
refusals is a table, `rules.RULES`. A rule changes a request by an edit (`edits.py`), which is plain data: `memory.py`
remembers the edits that helped, and later requests get them before they are sent. Nothing here does I/O.
"""
