"""What `routectl check` finds in a file."""
