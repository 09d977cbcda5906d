"""The policies and the objects of a vhost in the file, as the matching needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..model import Body, Policy
from ..model.delivery_limit import UNLIMITED_SINCE
from ..model.support import Version
from .matching import AppliedPolicy, PolicySet, Target


def policy_set(policies: Mapping[str, Policy], versions: Sequence[Version] = ()) -> PolicySet:
    """Policies or operator policies of the file.

    Parameters:
      policies: The policies by name.
      versions: The versions of RabbitMQ to support; empty if unknown.
    """
    version = max(versions, default=UNLIMITED_SINCE)
    return PolicySet((_applied(name, item, version) for name, item in policies.items()), versions)


def _applied(name: str, policy: Policy, version: Version) -> AppliedPolicy:
    definition = dict(sorted(policy.definition.keys(version).items()))
    return AppliedPolicy(name, policy.pattern, policy.apply_to, policy.priority, definition)


def targets(body: Body) -> Iterator[Target]:
    """The queues and exchanges of a vhost; the type of an external queue is unknown unless the file says it."""
    for name, queue in body.queues.items():
        known = not queue.external or "type" in queue.model_fields_set
        yield Target(name, queue.type if known else "", queue.declare_arguments())
    for name, exchange in body.exchanges.items():
        yield Target(name, None, exchange.declare_arguments())


def applied_definitions(body: Body) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The keys that a policy of the file sets on each queue, by RabbitMQ's names; -1 is no delivery limit.

    Parameters:
      body: The vhost's queues and policies.
    """
    policies = policy_set(body.policies)
    for target in targets(body) if body.policies else ():
        if target.kind == "queue" and (applied := policies.match(target).applied) is not None:
            yield target.name, applied.definition
