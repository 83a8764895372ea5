"""What `codex-transform doctor` checks: each check tries one thing for real and reports the result.

`checkup.run_checks` runs them all; a module holds the checks of one subject. A check is a function that takes the
`DoctorContext` and yields results. It may take its time, since all run side by side, and it may fail: that is a result
too.
"""
