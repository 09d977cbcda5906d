"""Converts a Celery app's settings to `queues.yaml`.

    app (reads the app)  ->  configuration  ->  convert  ->  yaml_text  ->  verify

Only `app` depends on Celery and kombu; the other modules work on plain data.
"""
