"""Policies: keys that RabbitMQ refuses, and what the policies do to the queues and exchanges of the file."""
