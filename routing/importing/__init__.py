"""From a Celery app's settings to `queues.yaml`.

    app  ->  configuration  ->  convert (queues, routes, patterns)  ->  write  ->  compare

Only `app` knows Celery; all else is data in, data out.
"""
