"""Checks before any change is made."""
