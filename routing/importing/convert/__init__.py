"""From an app's configuration, as plain data, to what the file says."""
