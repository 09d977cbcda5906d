"""Which queue a task goes to, and which worker takes it from there. May import `topology`, never `cli`."""

from .call import Call
from .decision import Decision
from .router import Router

__all__ = ["Call", "Decision", "Router"]
