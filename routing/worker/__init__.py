"""Worker profiles: which queues a worker takes, and how it runs."""
