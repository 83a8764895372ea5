"""Tries an endpoint and its key with one small request, and says step by step what came of it."""
