"""From YAML text to a checked `Topology`, or to every mistake in the file."""
