"""AMQP 0-9-1 with pika: connecting, single calls, and pipelined declarations."""
