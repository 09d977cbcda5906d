"""Queues whose node is down: RabbitMQ before 4 hides their bindings, which are not missing. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from ...base.resources import Key, Kind, State, binding_ends
from .change import Change
from .problem import Problem

AnyChange = TypeVar("AnyChange", bound=Change)


def bound_queues(changes: Sequence[Change], live: State) -> list[Key]:
    """Returns the existing queues that seem to lack a binding."""
    ends = [binding_ends(change.key)[1] for change in changes if _is_new_binding(change)]
    return [key for key in dict.fromkeys(ends) if key.kind is Kind.QUEUE and key in live]


def hidden_bindings(
    changes: Sequence[AnyChange], down: Mapping[Key, str]
) -> tuple[tuple[AnyChange, ...], tuple[Problem, ...]]:
    """Separates the bindings that cannot be read from the changes; returns these and a problem for each queue.

    Parameters:
      changes: The changes of a plan.
      down: The queues whose node is down, and its name.
    """
    kept = tuple(
        change for change in changes if not (_is_new_binding(change) and binding_ends(change.key)[1] in down)
    )
    problems = tuple(
        Problem(
            f"the bindings of {key} cannot be compared: its node `{node}` is down",
            "start the node, which keeps the queue with its messages and bindings",
            key,
        )
        for key, node in down.items()
    )
    return kept, problems


def _is_new_binding(change: Change) -> bool:
    return change.action == "create" and change.key.kind is Kind.BINDING
