"""Parses and validates the file: returns a `Topology`, or all mistakes in it."""
