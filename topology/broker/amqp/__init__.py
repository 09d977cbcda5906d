"""AMQP 0-9-1 by pika: connecting, single calls, and pipelined declarations."""
