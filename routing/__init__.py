"""Which queue a task goes to, and which worker takes it from there. May import `topology`, never `cli`."""

from .router import Router
from .rules.call import Call
from .rules.decision import Decision

__all__ = ["Call", "Decision", "Router"]
