"""Maps tasks to queues, and workers to the queues they consume. May import `topology`, never `cli`."""

from .router import Router
from .rules.call import Call
from .rules.decision import Decision

__all__ = ["Call", "Decision", "Router"]
