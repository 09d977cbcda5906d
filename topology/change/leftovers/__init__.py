"""Objects on the broker that the file does not name: which there are, what harm they do, and which to delete."""
