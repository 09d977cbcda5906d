"""YAML text to plain data that remembers its positions: documents, includes, overlays, variables."""
