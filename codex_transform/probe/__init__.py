"""Try an endpoint and its key with one small request, and report step by step."""
