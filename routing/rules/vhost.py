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

#: What a file says that decides where tasks go.
_ROUTING = ("exchanges", "queues", "routes", "unmatched", "delayed_delivery")


def body_and_positions(loaded: Loaded, vhost: str | None) -> tuple[Body, Callable[[int], Position]]:
    """One vhost's part of a file, and where its rules stand.

    Raises:
      RoutingError: The file has no such vhost.
    """
    body, prefix = select_vhost(loaded.topology, vhost)
    return body, lambda index: loaded.position((*prefix, "routes", index))


def select_vhost(topology: Topology, vhost: str | None) -> tuple[Body, tuple[str, ...]]:
    """One vhost's part of a file, and the path it stands under.

    A file that names no vhost at all is about whichever is asked for: the broker URL says which. Where it names others
    in `vhosts`, its top level is `/`, unless `vhost` says otherwise, since any other name may be a slip.

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
    hint = did_you_mean(vhost, [*topology.vhosts, top]) or f"it has {names}; name none for its top level"
    raise RoutingError(f"vhost `{vhost}` is not in the file", hint)


def same_routing(one: Body, other: Body, *, workers: bool = False) -> bool:
    """Whether two files say the same of routing; whoever sends tasks does not read the rest.

    Parameters:
      one: A file's part.
      other: Another one's.
      workers: Whether what they say of workers counts, too.
    """
    names = (*_ROUTING, "workers") if workers else _ROUTING
    return all(getattr(one, name) == getattr(other, name) for name in names)
