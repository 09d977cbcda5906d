"""Moves a queue to other arguments or to another name, with its messages and bindings.

RabbitMQ cannot change a queue, so another one takes its place. What is left to do is read from the broker: a move that
was interrupted at any point is continued by the next apply, whatever the file says by then.
"""
