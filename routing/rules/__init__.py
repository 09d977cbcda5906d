"""Matches a task's name and call to a rule and its destination, without Celery."""
