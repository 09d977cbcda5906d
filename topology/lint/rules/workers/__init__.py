"""Worker profiles: queues, shares, options, the order of tasks, and queues that it suits badly."""
