"""Access of plan and apply to a broker: over the management API, or over AMQP alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol, Self

from ..base.progress import CountProgress
from ..base.resources import Key, Kind, Resource, State, binding_ends
from ..errors import AccessRefused, Refused, Rejected
from .address import Address
from .amqp.connection import Amqp
from .amqp.handshake import greeting
from .amqp.pipeline import Failure, declare_all
from .bulk import create_all, delete_bindings
from .holder import Holder
from .management.client import Management
from .management.server import ServerInfo
from .moving import Moving
from .replacement import replace_object
from .writes import indivisible

#: The kinds that AMQP can declare.
AMQP_KINDS = frozenset({Kind.EXCHANGE, Kind.QUEUE, Kind.BINDING})

_THREADS = 8

#: Timeout of a connection whose host has just answered, in seconds.
_CONNECT_TIMEOUT = 10.0


class Session(Protocol):
    """Broker operations of plan and apply."""

    #: Whether `read` returns everything, so that apply can verify its result and a missing object does not exist.
    complete: bool

    def read(self, desired: State, vhosts: Collection[str]) -> State:
        """The live state of everything that `desired` could change."""
        ...

    def put(self, resource: Resource) -> None:
        """Creates or updates one object; raises `BrokerError`."""
        ...

    def replace(
        self, resource: Resource, dropped: Collection[Key] = (), added: Sequence[Resource] = ()
    ) -> None:
        """Deletes an exchange or an empty queue and creates it anew; raises `BrokerError` or `Refused`.

        Parameters:
          resource: The exchange or queue as it should be.
          dropped: Bindings that need not be restored.
          added: Bindings that it gets at once, in addition to those that it has.
        """
        ...

    def moving(self, vhost: str) -> AbstractContextManager[Moving]:
        """What moves queues of a vhost, with their messages; raises `Refused` if it cannot."""
        ...

    def delete(self, resource: Resource, *, if_empty: bool = False) -> None:
        """Deletes one object; raises `BrokerError`, or `Refused` for a queue with messages if `if_empty`."""
        ...

    def create_all(self, vhost: str, resources: Sequence[Resource], progress: CountProgress) -> list[Failure]:
        """Creates exchanges, queues and bindings of a vhost, and returns those that failed."""
        ...

    def delete_bindings(
        self, vhost: str, bindings: Sequence[Resource], progress: CountProgress
    ) -> list[Failure]:
        """Deletes bindings of a vhost, and returns those that failed; raises `BrokerError` if all did."""
        ...


class ManagementSession:
    """Reads and writes everything over the management API; AMQP is used only where it is faster.

    Parameters:
      address: Hosts and credentials.
      timeout: Seconds to wait for a response.

    Raises:
      Unreachable, AccessRefused: See `Management`.
    """

    complete = True

    def __init__(self, address: Address, *, timeout: float = 60.0) -> None:
        self._address = address
        self._management = Management(address, timeout=timeout)
        self.server: ServerInfo = self._management.server()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._management.close()

    def read(self, desired: State, vhosts: Collection[str]) -> State:
        """Exchanges, queues and bindings of the vhosts, and objects of the other kinds that the file uses."""
        return self._management.read(*_extent(desired, vhosts))

    def observe(self, desired: State, vhosts: Collection[str]) -> tuple[State, frozenset[Kind]]:
        """Everything in the vhosts, and the kinds that the file does not use and the user may not read."""
        return self._management.observe(*_extent(desired, vhosts))

    def glimpse(self, vhosts: Collection[str]) -> tuple[State, frozenset[Kind]]:
        """What the user may read of the vhosts, and the kinds that the user may not read."""
        return self._management.observe(sorted(vhosts), ())

    def vhosts(self) -> list[str]:
        """The names of the vhosts that the user may access."""
        return self._management.vhosts()

    def queues(self, vhost: str) -> list[Resource]:
        """The queues of a vhost."""
        return list(self._management.read([vhost], [Kind.QUEUE]).values())

    def down(self, queues: Iterable[Key]) -> dict[Key, str]:
        """Those of the queues whose node is down, and the node's name."""
        return self._management.down(queues)

    def permissions(self) -> dict[str, dict[str, str]] | None:
        """The permissions, by vhost, of the user who declares exchanges, queues and bindings; None if unknown."""
        return self._management.permissions(self._address.user)

    def global_parameters(self) -> list[tuple[str, Any]]:
        """The names and values of the cluster's global parameters, for which the tag `policymaker` is needed."""
        return self._management.global_parameters()

    def holder(self, queue: Key) -> Holder | None:
        """The process that holds a lock; None if it is unknown or free."""
        return Holder.from_arguments(self._management.arguments_of(queue))

    def counted(self, queues: Iterable[Resource], *, confirmed: bool = False) -> list[Resource]:
        """The queues with their numbers of messages and consumers; see `Management.counted`."""
        return self._management.counted(queues, confirmed=confirmed)

    def put(self, resource: Resource) -> None:
        """Creates or updates one object."""
        self._management.put(resource)

    def replace(
        self, resource: Resource, dropped: Collection[Key] = (), added: Sequence[Resource] = ()
    ) -> None:
        """Deletes an exchange or an empty queue and creates it anew, with its bindings."""
        with indivisible("replace", resource.key):
            replace_object(self._management, self._address, resource, dropped, added)

    def moving(self, vhost: str) -> Moving:
        """What moves queues of a vhost, with their messages."""
        return Moving(self._management, self._address, vhost)

    def delete(self, resource: Resource, *, if_empty: bool = False) -> None:
        """Deletes one object."""
        self._management.delete(resource, if_empty=if_empty)

    def create_all(self, vhost: str, resources: Sequence[Resource], progress: CountProgress) -> list[Failure]:
        """Creates exchanges, queues and bindings of a vhost in the fastest way."""
        return create_all(self._management, self._address, vhost, resources, self.server, progress)

    def delete_bindings(
        self, vhost: str, bindings: Sequence[Resource], progress: CountProgress
    ) -> list[Failure]:
        """Deletes bindings of a vhost in the fastest way."""
        return delete_bindings(self._management, self._address, vhost, bindings, self.server, progress)


def _extent(desired: State, vhosts: Collection[str]) -> tuple[list[str], list[Kind]]:
    """The vhosts and the kinds that contain everything that `desired` could change."""
    kinds = AMQP_KINDS | {key.kind for key in desired}
    everywhere = {key.vhost for key in desired if key.vhost} | set(vhosts)
    everywhere |= {key.name[0] for key in desired if key.kind is Kind.VHOST}
    return sorted(everywhere), [kind for kind in Kind if kind in kinds]


def _expiring(desired: State) -> set[Key]:
    """The queues that expire when they are not used, by an argument or by a policy of the file."""
    policies = [
        resource.properties["pattern"]
        for resource in desired.values()
        if resource.key.kind in (Kind.POLICY, Kind.OPERATOR_POLICY)
        and "expires" in resource.properties["definition"]
    ]
    return {
        key
        for key, resource in desired.items()
        if key.kind is Kind.QUEUE
        and (
            "x-expires" in resource.properties["arguments"]
            or any(_matches(pattern, key) for pattern in policies)
        )
    }


def _matches(pattern: str, key: Key) -> bool:
    try:
        return re.search(pattern, key.name[0]) is not None
    except re.error:  # RabbitMQ's expressions are not quite Python's
        return True


class AmqpSession:
    """Declares objects over AMQP alone, which can only check whether an exchange or queue exists.

    Reading writes nothing, so it cannot compare: only declaring an object again does, which the broker answers with
    406 if it differs. That also extends the life of a queue that expires.
    """

    complete = False

    def __init__(self, address: Address, vhost: str) -> None:
        self._address = address
        self._vhost = vhost
        with Amqp(address, vhost):
            pass
        found = greeting(address, timeout=_CONNECT_TIMEOUT)
        #: The broker's version, such as `4.3.6`; empty if it does not report one.
        self.product_version: str = found.version
        #: The name of its cluster; empty if it does not report one.
        self.cluster_name: str = found.cluster_name

    def holder(self, queue: Key) -> Holder | None:
        """Always None: AMQP does not show who holds a lock."""
        return None

    def read(self, desired: State, vhosts: Collection[str]) -> State:
        """What exists, or may exist, of the file's exchanges, queues and bindings; all of it is `unseen`.

        Whether a queue that expires exists is not asked, since a classic queue would live longer for it.
        """
        wanted = [resource for key, resource in desired.items() if key.kind in (Kind.EXCHANGE, Kind.QUEUE)]
        expiring = _expiring(desired)
        asked = [resource for resource in wanted if resource.key not in expiring]
        shares = list(filter(None, (asked[start::_THREADS] for start in range(_THREADS))))
        with ThreadPoolExecutor(_THREADS) as executor:
            found = executor.map(lambda share: list(self._existing(share)), shares)
            existing = {resource.key for resources in found for resource in resources} | expiring
        missing = {resource.key for resource in wanted} - existing
        bindings = {
            key for key in desired if key.kind is Kind.BINDING and not missing.intersection(binding_ends(key))
        }
        return {key: replace(desired[key], unseen=True) for key in existing | bindings}

    def _existing(self, resources: Iterable[Resource]) -> Iterator[Resource]:
        """Those of the resources that exist or may not be asked for, checked over one connection."""
        with Amqp(self._address, self._vhost) as amqp:
            for resource in resources:
                try:
                    found = amqp.exists(resource.key)
                except (AccessRefused, Rejected):
                    found = True
                if found:
                    yield resource

    def put(self, resource: Resource) -> None:
        """Declares one object."""
        with Amqp(self._address, self._vhost) as amqp:
            amqp.declare(resource)

    def replace(
        self, resource: Resource, dropped: Collection[Key] = (), added: Sequence[Resource] = ()
    ) -> None:
        """Always refuses: only the management API knows the bindings to restore."""
        raise Refused(
            f"{resource.key} cannot be replaced over AMQP alone",
            "pass the management API with `--management`",
        )

    def moving(self, vhost: str) -> Moving:
        """Always refuses: only the management API knows the bindings to move."""
        raise Refused("queues cannot be moved over AMQP alone", "pass the management API with `--management`")

    def delete(self, resource: Resource, *, if_empty: bool = False) -> None:
        """Always refuses: only the management API deletes objects."""
        raise Refused(
            f"{resource.key} cannot be deleted over AMQP alone", "pass the management API with `--management`"
        )

    def create_all(self, vhost: str, resources: Sequence[Resource], progress: CountProgress) -> list[Failure]:
        """Declares exchanges, queues and bindings, pipelined."""
        return declare_all(self._address, vhost, resources, progress=progress)

    def delete_bindings(
        self, vhost: str, bindings: Sequence[Resource], progress: CountProgress
    ) -> list[Failure]:
        """Always refuses, like `delete`."""
        raise Refused(
            f"bindings of vhost `{vhost}` cannot be deleted over AMQP alone",
            "pass the management API with `--management`",
        )
