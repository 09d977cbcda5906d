"""The network edge: everything that speaks HTTP or AMQP to a broker, or starts one."""
