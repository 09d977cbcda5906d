"""Cross-field checks of a file, and the registry of findings."""
