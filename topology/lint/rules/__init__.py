"""The checks, one family a module."""
