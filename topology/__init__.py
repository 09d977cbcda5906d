"""The topology in `queues.yaml` and how it is applied to a broker. Does not import Celery or the command line."""
