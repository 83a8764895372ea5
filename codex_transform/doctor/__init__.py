"""What `codex-transform doctor` looks at: each check tries one thing for real and says what it found.

`checkup.examine` runs them all; a module holds the checks of one subject. A check is a function that takes the
`Patient` and yields findings. It may take its time, since all run side by side, and it may fail: that is a finding too.
"""
