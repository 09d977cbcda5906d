"""What a topology is, and how a broker gets there. Knows nothing of Celery or of the command line."""
