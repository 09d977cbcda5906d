"""The management API's JSON and `Resource`s, in both directions."""
