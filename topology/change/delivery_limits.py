"""`delivery_limit: none` for a queue that exists without the argument `x-delivery-limit`, as RabbitMQ 3.x declares it.

RabbitMQ 4.x applies its default limit to such a queue, and cannot add the argument; a policy can remove the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..base.resources import Kind, State, queue_key
from ..matching.policies import effective_policy
from ..model import Body
from ..model.delivery_limit import UNLIMITED
from .plan import Change

_ARGUMENT = "x-delivery-limit"


def unlimited_by_policy(bodies: Mapping[str, Body], wanted: State, live: State) -> State:
    """The desired state without the argument of existing queues whose limit a policy of the file removes.

    Parameters:
      bodies: The body of every vhost in the file.
      wanted: The desired state.
      live: The live state.
    """
    found = dict(wanted)
    for vhost, body in bodies.items():
        for name, queue in body.queues.items():
            key = queue_key(vhost, name)
            if queue.delivery_limit != UNLIMITED or key not in live:
                continue
            policy = effective_policy(body.policies.values(), name, queue.type)
            existing = live[key].properties.get("arguments", {})
            if policy and policy.definition.delivery_limit == UNLIMITED and _ARGUMENT not in existing:
                properties = dict(wanted[key].properties)
                properties["arguments"] = {
                    argument: value
                    for argument, value in properties["arguments"].items()
                    if argument != _ARGUMENT
                }
                found[key] = replace(wanted[key], properties=properties)
    return found


def policy_instead(change: Change) -> str | None:
    """The policy that makes a replacement unnecessary: if only the limit of a queue has to be removed.

    Parameters:
      change: A change of the plan.
    """
    only_limit = change.differences() == [(_ARGUMENT, None, -1)]
    if change.key.kind is not Kind.QUEUE or change.action != "replace" or not only_limit:
        return None
    name = change.key.name[0]
    return f'policies: {{{name}: {{pattern: "^{name}$", apply_to: queues, definition: {{delivery_limit: none}}}}}}'
