"""Faults, by what they affect: the events, their encoding, the whole response, or the connection."""
