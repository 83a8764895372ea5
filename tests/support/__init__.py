"""Shared by the tests: local servers, real programs, and ways to wait."""
