"""Task name and call to a decision, without Celery."""
