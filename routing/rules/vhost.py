"""One vhost's part of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...topology.base.finding import did_you_mean
from ...topology.errors import RoutingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...topology.base.finding import Position
    from ...topology.file.load import Loaded
    from ...topology.model import Body, Topology

#: The fields that decide where tasks go.
_ROUTING_FIELDS = ("exchanges", "queues", "routes", "unmatched", "delayed_delivery")


def body_and_positions(loaded: Loaded, vhost: str | None) -> tuple[Body, Callable[[int], Position]]:
    """Returns one vhost's part of a file, and the position of each of its rules by index.

    Raises:
      RoutingError: The file has no such vhost.
    """
    body, prefix = select_vhost(loaded.topology, vhost)
    return body, lambda index: loaded.position((*prefix, "routes", index))


def select_vhost(topology: Topology, vhost: str | None) -> tuple[Body, tuple[str, ...]]:
    """Returns one vhost's part of a file, and its path in the file.

    A file without any vhost is valid for every vhost: the broker URL decides. If it has `vhosts`, its top level is the
    vhost `/`, unless `vhost` names another, since any other name may be a typo.

    Raises:
      RoutingError: The file has no such vhost.
    """
    if vhost is None:
        return topology, ()
    if vhost in topology.vhosts:
        return topology.vhosts[vhost], ("vhosts", vhost)
    top = topology.vhost or ("/" if topology.vhosts else vhost)
    if vhost == top:
        return topology, ()
    names = " and ".join(f"`{name}`" for name in topology.vhosts) or f"`{top}` alone"
    hint = did_you_mean(vhost, [*topology.vhosts, top]) or f"it has {names}; omit the vhost for the top level"
    raise RoutingError(f"vhost `{vhost}` is not in the file", hint)


def same_routing(first: Body, second: Body, *, workers: bool = False) -> bool:
    """Whether two files route tasks alike. Producers do not load the rest of the file.

    Parameters:
      first: One vhost's part of a file.
      second: One vhost's part of the other file.
      workers: Whether to compare the worker profiles, too.
    """
    names = (*_ROUTING_FIELDS, "workers") if workers else _ROUTING_FIELDS
    return all(getattr(first, name) == getattr(second, name) for name in names)
