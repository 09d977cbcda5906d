"""Which queue a task goes to, and which worker takes it from there. May import `topology`, never `cli`."""

from .router import Router
from .table import Decision

__all__ = ["Decision", "Router"]
