"""The whole file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from .exchange import Exchange
from .links import Federation, Shovel
from .policy import Policy
from .queue import Binding, Queue
from .routing import Profile, Route, RouteTest
from .support import NEWEST, OLDEST, Version, parse_version
from .types import LIST_SCHEMA, DeclaredName, Model, Name, Names, Texts, Whole, _listed
from .users import User

#: The word that stands for "an unrouted task is an error".
REFUSE = "refuse"

#: Exchange types that compare no keys: to some a key says nothing, to one it is a weight.
_WITHOUT_KEYS = frozenset(
    {
        *("fanout", "headers", "x-recent-history"),
        *("x-consistent-hash", "x-modulus-hash", "x-random", "x-local-random"),
    }
)


def _whole(value: Any) -> Any:
    """For Python, `true` and `1.0` equal 1."""
    return value if type(value) is int else str(value)


def _target(value: Any) -> str:
    try:
        version = parse_version(str(value))
    except ValueError as error:
        raise PydanticCustomError("version", str(error)) from None
    if not version >= OLDEST or version[0] > NEWEST[0]:
        raise PydanticCustomError("version", "must be a RabbitMQ version from 3.10 to 4.x")
    return str(value)


Targets = Annotated[
    tuple[Annotated[str, BeforeValidator(_target)], ...],
    BeforeValidator(_listed),
    WithJsonSchema(LIST_SCHEMA),
]


class Limits(Model):
    """Limits of a vhost."""

    max_connections: Whole | None = Field(None, ge=-1, description="The most connections; -1 is no limit.")
    max_queues: Whole | None = Field(None, ge=-1, description="The most queues; -1 is no limit.")


class Defaults(Model):
    """What every exchange and queue of the file takes unless it says otherwise."""

    exchange: Exchange = Field(default_factory=Exchange, description="Defaults of every exchange.")
    queue: Queue = Field(
        default_factory=Queue,
        description="Defaults of every queue; an argument that a queue's type does not know is left out there.",
    )


def shard_name(queue: str, number: int) -> str:
    """The name of one shard of a queue."""
    return f"{queue}.{number}"


def shards_of(name: str, queue: Queue, exchanges: Mapping[str, Exchange]) -> dict[str, Queue]:
    """The queues that a declared queue stands for: itself, or its shards, each bound with its number.

    Parameters:
      name: The queue's name.
      queue: The queue.
      exchanges: The file's, by name.
    """
    if queue.shards is None:
        return {name: queue}
    return {
        shard_name(name, number): queue.model_copy(
            update={
                "shards": None,
                "bindings": tuple(
                    _numbered(binding, number, exchanges.get(binding.exchange)) for binding in queue.bindings
                ),
            }
        )
        for number in range(queue.shards)
    }


def _numbered(binding: Binding, number: int, exchange: Exchange | None) -> Binding:
    """A binding with a shard's number behind its key, unless the exchange compares no keys."""
    if exchange is not None and exchange.type in _WITHOUT_KEYS:
        return binding
    key = f"{binding.key}.{number}" if binding.key else str(number)
    return binding.model_copy(update={"key": key})


class Body(Model):
    """What one vhost holds, and how tasks are routed in it."""

    description: str | None = Field(None, description="The vhost's description.")
    tags: Names | None = Field(None, description="The vhost's tags.")
    default_queue_type: Literal["classic", "quorum", "stream"] | None = Field(
        None, description="The type of queues that others declare in this vhost without a type."
    )
    limits: Limits = Field(default_factory=Limits, description="Limits of the vhost.")
    exchanges: dict[DeclaredName, Exchange] = Field(default_factory=dict, description="Exchanges by name.")
    queues: dict[DeclaredName, Queue] = Field(default_factory=dict, description="Queues by name.")
    policies: dict[Name, Policy] = Field(default_factory=dict, description="Policies by name.")
    operator_policies: dict[Name, Policy] = Field(
        default_factory=dict, description="Operator policies by name."
    )
    federation: Federation = Field(default_factory=Federation, description="Brokers to federate from.")
    shovels: dict[Name, Shovel] = Field(default_factory=dict, description="Shovels by name.")
    delayed_delivery: Literal["auto", "always", "never"] = Field(
        "auto",
        description="Whether the exchanges and queues of Celery's native delayed delivery are part of the plan, "
        "which ETA and countdown need with quorum queues; `auto` if a queue that tasks go to is a quorum queue.",
    )
    routes: tuple[Route, ...] = Field(
        (),
        description="Which task goes where: exact names first, then patterns as written; the first match wins.",
    )
    unmatched: Name = Field(
        REFUSE,
        description="The queue, or one shard, of tasks that no route matches; `refuse` makes them an error at the "
        "publisher.",
    )
    workers: dict[Name, Profile] = Field(default_factory=dict, description="Worker profiles by name.")
    tests: tuple[RouteTest, ...] = Field(
        (), description="Where certain tasks shall go; `routectl check` compares."
    )

    _shards: dict[str, tuple[str, ...]] = PrivateAttr(default_factory=dict)
    _shard_parents: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def shards(self) -> Mapping[str, tuple[str, ...]]:
        """The queues that stand for each queue with `shards`, by its name in the file."""
        return self._shards

    @property
    def shard_parents(self) -> Mapping[str, str]:
        """The queue with `shards` that each shard belongs to."""
        return self._shard_parents

    def consumed(self, profile: Profile) -> tuple[str, ...]:
        """The queues that a worker profile takes, every shard of a queue with `shards` among them."""
        return tuple(queue for name in profile.queues for queue in self._shards.get(name, (name,)))

    @model_validator(mode="after")
    def _spread(self) -> Self:
        """Puts its shards in the place of every queue that has some: to all else they are plain queues."""
        if any(queue.shards for queue in self.queues.values()):
            spread: dict[str, Queue] = {}
            for name, queue in self.queues.items():
                spread.update(shards_of(name, queue, self.exchanges))
                if queue.shards:
                    self._shards[name] = tuple(shard_name(name, at) for at in range(queue.shards))
            self._shard_parents = {shard: name for name, shards in self._shards.items() for shard in shards}
            self.__dict__["queues"] = spread
        return self


class Topology(Body):
    """A routectl file."""

    version: Annotated[Literal[1], BeforeValidator(_whole)] = Field(
        description="The version of the file format."
    )
    name: Name = Field("default", description="The name of this stack.")
    cluster: Name | None = Field(None, description="The cluster's name; on any other nothing is done.")
    targets: Targets = Field(
        (), description="The RabbitMQ versions that the file must be right on, such as `3.13` and `4.3`."
    )
    include: Texts = Field((), description="More files, relative to this one; `*` takes all that match.")
    vhost: Name | None = Field(
        None, description="The vhost of the top level; by default the broker URL's, or `/`."
    )
    defaults: Defaults = Field(
        default_factory=Defaults, description="What exchanges and queues take by default."
    )
    vhosts: dict[Name, Body] = Field(
        default_factory=dict, description="More vhosts, each with the same body."
    )
    users: dict[Name, User] = Field(default_factory=dict, description="Users by name.")

    @property
    def target_versions(self) -> tuple[Version, ...]:
        """The versions in `targets`."""
        return tuple(parse_version(target) for target in self.targets)

    def bodies(self, vhost: str) -> dict[str, Body]:
        """Every vhost of the file with its body.

        Parameters:
          vhost: The vhost of the top level.
        """
        return {vhost: self, **self.vhosts}
