"""The top level of the file, and the body of each vhost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from ..lint.acceptance import Acceptance
from .allowed import AllowedFinding
from .exchange import Exchange
from .links import Federation, Shovel
from .policy import Policy
from .queue import Binding, Queue
from .routing import Profile, Route, RouteTest
from .support import NEWEST, OLDEST, Version, parse_version
from .types import (
    LIST_SCHEMA,
    FreeText,
    Model,
    Name,
    Percent,
    PlainValue,
    StackName,
    Texts,
    Whole,
    _listed,
    no_literal_secret,
)
from .users import Tags, User

#: The value of `unmatched` that makes an unrouted task an error.
REFUSE = "refuse"

#: Exchange types that do not match binding keys: most ignore them, `x-consistent-hash` uses them as weights.
_WITHOUT_KEYS = frozenset(
    {
        *("fanout", "headers", "x-recent-history"),
        *("x-consistent-hash", "x-modulus-hash", "x-random", "x-local-random"),
    }
)


def _exact_integer(value: Any) -> Any:
    """Turns `true` and `1.0` into text: in Python, they equal 1."""
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

    max_connections: Whole | None = Field(
        None, ge=-1, description="Maximum number of connections; -1 for no limit."
    )
    max_queues: Whole | None = Field(None, ge=-1, description="Maximum number of queues; -1 for no limit.")


class Rails(Model):
    """Limits of what one apply may change."""

    changed: Percent = Field(
        30,
        description="Largest share of the existing objects that an apply may change or delete, if there are ten or "
        "more of them; a larger one needs `--allow mass-change`. `100%` permits any. Celery's delay queues do not "
        "count.",
    )


class Defaults(Model):
    """Default settings of all exchanges and queues in the file, unless they override them."""

    exchange: Exchange = Field(default_factory=Exchange, description="Default settings of exchanges.")
    queue: Queue = Field(
        default_factory=Queue,
        description="Default settings of queues, except arguments that a queue's type does not support.",
    )


def shard_name(queue: str, number: int) -> str:
    """The name of one shard of a queue."""
    return f"{queue}.{number}"


def shards_of(name: str, queue: Queue, exchanges: Mapping[str, Exchange]) -> dict[str, Queue]:
    """The queues to declare for a queue: itself, or its shards with their bindings.

    Parameters:
      name: The queue's name.
      queue: The queue.
      exchanges: The file's exchanges by name.
    """
    if queue.shards is None:
        return {name: queue}
    return {
        shard_name(name, number): queue.model_copy(
            update={
                "shards": None,
                "renamed_from": tuple(shard_name(old, number) for old in queue.renamed_from),
                "bindings": tuple(
                    _numbered(binding, number, exchanges.get(binding.exchange)) for binding in queue.bindings
                ),
            }
        )
        for number in range(queue.shards)
    }


def _numbered(binding: Binding, number: int, exchange: Exchange | None) -> Binding:
    """A binding with a shard's number appended to its key, unless the exchange does not match keys."""
    if exchange is not None and exchange.type in _WITHOUT_KEYS:
        return binding
    key = f"{binding.key}.{number}" if binding.key else str(number)
    return binding.model_copy(update={"key": key})


class Body(Model):
    """The contents of a vhost, and the routing of tasks in it."""

    description: FreeText | None = Field(
        None, description="Description of the vhost. Left unchanged if not set."
    )
    tags: Tags | None = Field(
        None, description="Tags of the vhost; `[]` removes all. Left unchanged if not set."
    )
    default_queue_type: Literal["classic", "quorum", "stream"] | None = Field(
        None,
        description="Type of queues that clients declare in this vhost without a type. "
        "Left unchanged if not set; RabbitMQ before 3.11.17 cannot change that of an existing vhost.",
    )
    protected_from_deletion: bool | None = Field(
        None, description="Whether the broker refuses to delete the vhost; from RabbitMQ 4.1 on."
    )
    limits: Limits = Field(default_factory=Limits, description="Limits of the vhost.")
    exchanges: dict[Name, Exchange] = Field(
        default_factory=dict,
        description="Exchanges by name. One that RabbitMQ declares itself, such as `amq.topic`, takes `bindings` only.",
    )
    queues: dict[Name, Queue] = Field(default_factory=dict, description="Queues by name.")
    policies: dict[Name, Policy] = Field(default_factory=dict, description="Policies by name.")
    operator_policies: dict[Name, Policy] = Field(
        default_factory=dict, description="Operator policies by name."
    )
    federation: Federation = Field(
        default_factory=Federation, description="Federation upstreams and upstream sets."
    )
    shovels: dict[Name, Shovel] = Field(default_factory=dict, description="Dynamic shovels by name.")
    delayed_delivery: Literal["auto", "always", "never"] = Field(
        "auto",
        description="Whether to declare the exchanges and queues of Celery's native delayed delivery, which ETA and "
        "countdown require with quorum queues; `auto`: if any task queue is a quorum queue.",
    )
    routes: tuple[Route, ...] = Field(
        (),
        description="Routing rules: exact names first, then patterns in order; the first match wins.",
    )
    unmatched: Name = Field(
        REFUSE,
        description="Queue or shard for tasks that no route matches; with `refuse`, publishing them raises an error.",
    )
    workers: dict[Name, Profile] = Field(default_factory=dict, description="Worker profiles by name.")
    tests: tuple[RouteTest, ...] = Field((), description="Routing tests, run by `routectl check`.")

    _shards: dict[str, tuple[str, ...]] = PrivateAttr(default_factory=dict)
    _shard_parents: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def shards(self) -> Mapping[str, tuple[str, ...]]:
        """The shards of each queue with `shards`, by the queue's name."""
        return self._shards

    @property
    def shard_parents(self) -> Mapping[str, str]:
        """The queue with `shards` that each shard belongs to."""
        return self._shard_parents

    def consumed(self, profile: Profile) -> tuple[str, ...]:
        """The queues that a worker profile consumes, with all shards of sharded queues."""
        return tuple(queue for name in profile.queues for queue in self._shards.get(name, (name,)))

    @model_validator(mode="after")
    def _expand_shards(self) -> Self:
        """Replaces every sharded queue with its shards, which are then treated as plain queues."""
        if any(queue.shards for queue in self.queues.values()):
            expanded: dict[str, Queue] = {}
            for name, queue in self.queues.items():
                shards = shards_of(name, queue, self.exchanges)
                expanded.update(shards)
                if queue.shards:
                    self._shards[name] = tuple(shards)
            self._shard_parents = {shard: name for name, shards in self._shards.items() for shard in shards}
            self.__dict__["queues"] = expanded
        return self


class Topology(Body):
    """A routectl file."""

    version: Annotated[Literal[1], BeforeValidator(_exact_integer)] = Field(
        description="Version of the file format."
    )
    name: StackName = Field(
        "default",
        description="Name of the stack: what `apply` creates is recorded on the broker under it, for `--prune`, and "
        "two applies of it wait for each other.",
    )
    cluster: Name | None = Field(
        None, description="Name of the RabbitMQ cluster; any other cluster is refused."
    )
    targets: Targets = Field(
        (), description="RabbitMQ versions that the file must be valid for, such as `3.13` and `4.3`."
    )
    include: Texts = Field((), description="Further files, as paths or globs relative to this file.")
    vhost: Name | None = Field(
        None, description="Vhost of the top level; by default that of the broker URL, or `/`."
    )
    defaults: Defaults = Field(default_factory=Defaults, description="Defaults of exchanges and queues.")
    vhosts: dict[Name, Body] = Field(
        default_factory=dict, description="Additional vhosts, with the same fields as the top level."
    )
    users: dict[Name, User] = Field(default_factory=dict, description="Users by name.")
    global_parameters: Annotated[dict[Name, PlainValue], BeforeValidator(no_literal_secret)] = Field(
        default_factory=dict,
        description="Global parameters by name, such as `mqtt_default_vhosts`; others are left unchanged.",
    )
    rails: Rails = Field(default_factory=Rails, description="How much one apply may change or delete.")
    allow: tuple[AllowedFinding, ...] = Field(
        (), description="Findings that `lint` and `check` accept, each with a reason."
    )

    @property
    def acceptances(self) -> tuple[Acceptance, ...]:
        """The findings that the file accepts."""
        return tuple(acceptance for entry in self.allow for acceptance in entry.acceptances)

    @property
    def target_versions(self) -> tuple[Version, ...]:
        """The parsed versions in `targets`."""
        return tuple(parse_version(target) for target in self.targets)

    def bodies(self, vhost: str) -> dict[str, Body]:
        """The body of every vhost in the file, by vhost.

        Parameters:
          vhost: The vhost of the top level.
        """
        return {vhost: self, **self.vhosts}
