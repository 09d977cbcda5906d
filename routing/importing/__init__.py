"""From a Celery app's settings to `queues.yaml`.

    find, app  ->  configuration  ->  convert (queues, destinations, routes)  ->  write  ->  compare

Only `find`, `app`, `asked`, `annotations` and `declared` know Celery and kombu; all else is data in, data out.
"""
