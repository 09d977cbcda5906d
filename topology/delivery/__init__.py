"""Where RabbitMQ would deliver a message: exchanges, bindings, addresses of queues, delayed tasks."""
