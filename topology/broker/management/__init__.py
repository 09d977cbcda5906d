"""Client of the management API."""
