"""Public import path of `topology.change.planner`."""

from .change.planner import Planned, plan_by_amqp, plan_by_management, vhost_of

__all__ = ["Planned", "plan_by_amqp", "plan_by_management", "vhost_of"]
