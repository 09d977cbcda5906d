"""Celery's own integration tests of tasks and canvas, from its source distribution, on worker profiles of routectl."""
