"""Converts the management API's JSON to `Resource`s and back."""
