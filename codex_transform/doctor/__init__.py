"""The checks of `codex-transform doctor`: each tries one thing for real and reports the result.

`checkup.run_checks` runs them all; each module holds the checks on one subject. A check is a function that takes the
`DoctorContext` and yields results. It may be slow, because all checks run at the same time, and it may raise, which
becomes a result too.
"""
