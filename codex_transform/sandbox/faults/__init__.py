"""Misbehaviours, by what they spoil: the events, their spelling, the whole answer, or the connection."""
