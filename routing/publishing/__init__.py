"""What an app needs to publish by the file: its router, queues, rate limits, and errors for undeliverable tasks."""
