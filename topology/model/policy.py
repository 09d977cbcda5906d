"""Policies and operator policies."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .queue import QueueSettings
from .support import Support, arguments_of
from .types import Arguments, Model, Name, Regex, Whole


class PolicyDefinition(QueueSettings):
    """What a policy sets: the settings of queues, and those of exchanges."""

    alternate_exchange: Annotated[Name | None, Support(policy="..")] = Field(
        None, description="Where an exchange's unroutable messages go (`alternate-exchange`)."
    )
    target_group_size: Annotated[Whole | None, Support(quorum="3.13..", policy="3.13..")] = Field(
        None, ge=1, description="Replicas that a quorum queue grows to (`target-group-size`)."
    )
    federation_upstream: Annotated[Name | None, Support(policy="..")] = Field(
        None, description="Federate from this upstream (`federation-upstream`)."
    )
    federation_upstream_set: Annotated[Name | None, Support(policy="..")] = Field(
        None,
        description="Federate from this set of upstreams; `all` for every one (`federation-upstream-set`).",
    )
    federation_upstream_pattern: Annotated[Regex | None, Support(policy="..")] = Field(
        None, description="Federate from the upstreams that match (`federation-upstream-pattern`)."
    )
    ha_mode: Annotated[Literal["all", "exactly", "nodes"] | None, Support(policy="..3.13")] = Field(
        None, description="Mirrors classic queues; removed in RabbitMQ 4.0 (`ha-mode`)."
    )
    ha_params: Annotated[Whole | tuple[str, ...] | None, Support(policy="..3.13")] = Field(
        None, description="How many mirrors, or on which nodes; removed in RabbitMQ 4.0 (`ha-params`)."
    )
    ha_sync_mode: Annotated[Literal["manual", "automatic"] | None, Support(policy="..3.13")] = Field(
        None, description="Whether new mirrors copy old messages; removed in RabbitMQ 4.0 (`ha-sync-mode`)."
    )
    shards_per_node: Annotated[Whole | None, Support(policy="..")] = Field(
        None, ge=1, description="Sharding plugin: shards on each node (`shards-per-node`)."
    )
    routing_key: Annotated[str | None, Support(policy="..")] = Field(
        None, description="Sharding plugin: the key that shards are bound with (`routing-key`)."
    )
    arguments: Arguments = Field(
        default_factory=dict, description="Policy keys that have no field here, passed as they are."
    )

    def keys(self) -> dict[str, Any]:
        """The definition by RabbitMQ's own names."""
        definition = {
            name: list(value) if isinstance(value, tuple) else value for name, value in arguments_of(self)
        }
        if self.dead_letter is not None:
            definition.update(self.dead_letter.settings())
        return definition | self.arguments


class Policy(Model):
    """A policy: which queues and exchanges it covers, and what it sets on them."""

    pattern: Regex = Field(description="A regular expression on names; not anchored unless it says so.")
    apply_to: Literal["all", "queues", "exchanges", "classic_queues", "quorum_queues", "streams"] = Field(
        "all", description="What the policy covers; the single queue types from RabbitMQ 3.12."
    )
    priority: Whole = Field(
        0, description="Of several policies that match an object, the highest priority counts."
    )
    definition: PolicyDefinition = Field(description="What the policy sets.")
