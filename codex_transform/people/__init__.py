"""The people who share a proxy: their keys, and how much each of them may use."""
