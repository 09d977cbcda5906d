"""Moves all messages of a queue to another queue of the same vhost, at least once.

A message leaves the source only after the broker confirmed that the destination has it. So a move that is
interrupted at any point loses nothing, and a rerun moves what is left; what was under way is then in both queues.

What changes of a message, by a shovel as well as over AMQP: its time to live begins anew (`expiration`, and the
`message-ttl` of the destination), its position is the one in which RabbitMQ delivers it (by priority, returned ones
as its queue type orders them), and its count of failed deliveries begins at 0; the headers `x-death` and
`x-delivery-count` that it carries stay in it. Properties and headers are sent on byte by byte.
"""
