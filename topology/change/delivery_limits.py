"""`delivery_limit: none` for a queue that exists without the argument `x-delivery-limit`, as RabbitMQ 3.x declares it.

RabbitMQ 4.x applies its default limit to such a queue, and cannot add the argument; a policy can remove the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..base.resources import Kind, State, queue_key
from ..model import Body
from ..model.delivery_limit import UNLIMITED
from ..policies.of_file import applied_definitions
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
        for name, keys in applied_definitions(body):
            key = queue_key(vhost, name)
            if body.queues[name].delivery_limit != UNLIMITED or key not in live:
                continue
            if keys.get("delivery-limit") == -1 and _ARGUMENT not in live[key].properties.get(
                "arguments", {}
            ):
                properties = dict(wanted[key].properties)
                arguments = properties["arguments"].items()
                properties["arguments"] = {name: value for name, value in arguments if name != _ARGUMENT}
                found[key] = replace(wanted[key], properties=properties)
    return found


def policy_instead(change: Change) -> str | None:
    """The policy that makes a replacement or a move unnecessary: if only the limit of a queue has to be removed.

    Parameters:
      change: A change of the plan.
    """
    only_limit = change.differences() == [(_ARGUMENT, None, -1)]
    if change.key.kind is not Kind.QUEUE or change.action not in ("replace", "move") or not only_limit:
        return None
    name = change.key.name[0]
    return f'policies: {{{name}: {{pattern: "^{name}$", apply_to: queues, definition: {{delivery_limit: none}}}}}}'
