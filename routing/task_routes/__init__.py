"""A router for Celery's own `task_routes` and `task_queues`, with Celery's semantics."""
