"""Plans and applies changes: compares the file with the broker, and updates the broker."""
