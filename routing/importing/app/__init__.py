"""Reads a Celery app's configuration; the only part of the import that needs Celery."""
