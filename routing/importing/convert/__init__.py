"""Converts an app's configuration to the contents of the file."""
