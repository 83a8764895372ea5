"""JSON with comments and trailing commas: reading it, and editing it in place."""
