"""The checks of `routectl check`."""
