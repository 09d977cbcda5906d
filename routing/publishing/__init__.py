"""Publishing with a file: the app's router, queues and rate limits, and errors for undeliverable tasks."""
