"""The instructions of each model: fetched, cached on disk, and chosen for a request."""
