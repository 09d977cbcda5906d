"""Cross-field checks of a file: the runner, and what its rules share."""
