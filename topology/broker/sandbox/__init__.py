"""A throwaway RabbitMQ for development and tests."""

from .lifecycle import PLUGINS, Sandbox, start, status, stop

__all__ = ["PLUGINS", "Sandbox", "start", "status", "stop"]
