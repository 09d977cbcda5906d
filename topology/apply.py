"""The public name of `topology.change.apply`."""

from .change.apply import Outcome, Report, apply
from .change.refusals import refusals

__all__ = ["Outcome", "Report", "apply", "refusals"]
