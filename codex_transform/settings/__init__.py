"""The settings: one table of options, and the loader that reads them from every source."""
