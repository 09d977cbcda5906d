"""Predicts where RabbitMQ delivers messages: exchanges, bindings, publish addresses, delayed delivery."""
