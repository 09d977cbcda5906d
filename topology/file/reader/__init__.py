"""Reads YAML files as plain data with positions: documents, includes, overlays, variables."""
