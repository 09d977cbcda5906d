"""Which objects a stack created: the record of it on the broker, what it proves, and what may be pruned."""
