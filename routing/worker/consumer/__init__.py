"""Celery's consumer, adapted: queue checks, reconnects, remote control."""
