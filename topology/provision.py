"""Public import path of `topology.change.planner` and `topology.change.via_amqp`."""

from .change.planner import Planned, plan_by_management, vhost_of
from .change.via_amqp import plan_by_amqp

__all__ = ["Planned", "plan_by_amqp", "plan_by_management", "vhost_of"]
