"""A throwaway RabbitMQ for development and tests."""
