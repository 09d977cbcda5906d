"""Everything that connects to a broker over HTTP or AMQP, or starts one."""
