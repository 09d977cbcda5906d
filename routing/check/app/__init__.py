"""What `routectl check --app` finds in a file and a Celery app together."""
