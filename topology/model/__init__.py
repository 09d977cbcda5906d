"""The file's data model: typed, frozen models of `queues.yaml`.

The JSON Schema and the file reference are generated from the docstrings and field descriptions.
"""

from .allowed import AllowedFinding
from .exchange import Exchange
from .links import Federation, Shovel, Upstream, UpstreamOfSet
from .policy import Policy, PolicyDefinition
from .queue import Binding, DeadLetter, Queue, QueueSettings
from .routing import Condition, Profile, Route, RouteTest
from .support import Support, arguments_of, supported
from .topology import Body, Defaults, Limits, Rails, Topology
from .users import Permission, TopicPermission, User, UserLimits

__all__ = [
    "AllowedFinding",
    "Binding",
    "Body",
    "Condition",
    "DeadLetter",
    "Defaults",
    "Exchange",
    "Federation",
    "Limits",
    "Permission",
    "Policy",
    "PolicyDefinition",
    "Profile",
    "Queue",
    "QueueSettings",
    "Rails",
    "Route",
    "RouteTest",
    "Shovel",
    "Support",
    "TopicPermission",
    "Topology",
    "Upstream",
    "UpstreamOfSet",
    "User",
    "UserLimits",
    "arguments_of",
    "supported",
]
