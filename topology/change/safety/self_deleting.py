"""Shovels that delete themselves when they are done: RabbitMQ does not keep whether one has run. No I/O.

A missing one may be new, or may have moved its messages long ago. So it is started only by name: an apply that created
it again would move, each time, what has arrived since.
"""

from __future__ import annotations

from collections.abc import Collection

from ...base.resources import Key, Kind, Resource, State
from ...base.selectors import selector, selects
from ...errors import UsageError


def self_deleting(state: State) -> set[Key]:
    """The shovels of a state that delete themselves."""
    return {key for key, resource in state.items() if _deletes_itself(resource)}


def not_started(wanted: State, live: State, run: Collection[str], vhost: str) -> tuple[set[Key], list[str]]:
    """The self-deleting shovels that are missing and are not to be started, and a note about each.

    Parameters:
      wanted: The state that the file declares.
      live: The state of the broker.
      run: Which ones to start, as `selector` names them.
      vhost: The vhost of the file's top level, which `run` need not name.

    Raises:
      UsageError: An item of `run` names no such shovel of the file.
    """
    candidates = self_deleting(wanted)
    for text in run:
        if not any(selects(text, key, vhost) for key in candidates):
            known = ", ".join(f"`--run {selector(key, vhost)}`" for key in sorted(candidates))
            raise UsageError(
                f"`--run {text}` names no shovel of the file that deletes itself",
                f"use {known}" if known else "set `src_delete_after` of the shovel",
            )
    waiting = {key for key in candidates - live.keys() if not any(selects(text, key, vhost) for text in run)}
    notes = [
        f"{key.name[0]} {key.name[1]} deletes itself when it is done: "
        f"start it with `apply --run {selector(key, vhost)}`"
        for key in sorted(waiting)
    ]
    return waiting, notes


def _deletes_itself(resource: Resource) -> bool:
    key, value = resource.key, resource.properties.get("value")
    if key.kind is not Kind.PARAMETER or key.name[0] != "shovel" or not isinstance(value, dict):
        return False
    return value.get("src-delete-after", "never") != "never" or "src-delete-after-duration" in value
