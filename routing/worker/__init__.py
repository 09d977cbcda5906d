"""Worker profiles: which queues a worker consumes, and how it runs."""
