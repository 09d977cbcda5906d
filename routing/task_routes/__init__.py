"""Celery's own `task_routes` and `task_queues`, read as Celery reads them."""
