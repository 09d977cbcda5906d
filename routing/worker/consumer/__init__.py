"""Extensions of Celery's consumer: queue checks, reconnects, remote control."""
