"""From the file's state and the broker's to a plan, and from the plan to the broker."""
