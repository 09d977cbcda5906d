"""One vhost's part of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..topology.errors import RoutingError
from ..topology.finding import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..topology.finding import Position
    from ..topology.load import Loaded
    from ..topology.model import Body, Topology

#: What a file says that decides where tasks go.
_ROUTING = ("exchanges", "queues", "routes", "unmatched", "delayed_delivery")


def part(loaded: Loaded, vhost: str | None) -> tuple[Body, Callable[[int], Position]]:
    """One vhost's part of a file, and where its rules stand.

    Raises:
      RoutingError: The file has no such vhost.
    """
    body, prefix = select(loaded.topology, vhost)
    return body, lambda index: loaded.position((*prefix, "routes", index))


def select(topology: Topology, vhost: str | None) -> tuple[Body, tuple[str, ...]]:
    """One vhost's part of a file, and the path it stands under.

    Raises:
      RoutingError: The file has no such vhost.
    """
    if vhost in topology.vhosts:
        return topology.vhosts[vhost], ("vhosts", vhost)
    if vhost is None or topology.vhost in (None, vhost):
        return topology, ()
    known = [*topology.vhosts, topology.vhost or "/"]
    raise RoutingError(f"vhost `{vhost}` is not in the file", did_you_mean(vhost, known))


def routes_alike(one: Body, other: Body, *, workers: bool = False) -> bool:
    """Whether two files say the same of routing; whoever sends tasks does not read the rest.

    Parameters:
      one: A file's part.
      other: Another one's.
      workers: Whether what they say of workers counts, too.
    """
    names = (*_ROUTING, "workers") if workers else _ROUTING
    return all(getattr(one, name) == getattr(other, name) for name in names)
