"""Public import path of `topology.change.apply`."""

from .change.apply import ApplyReport, Outcome, apply
from .change.refusals import refusals

__all__ = ["ApplyReport", "Outcome", "apply", "refusals"]
