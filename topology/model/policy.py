"""Policies and operator policies."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .queue import QueueSettings
from .support import Support, Version
from .types import Arguments, Model, Name, Regex, Whole


class PolicyDefinition(QueueSettings):
    """The definition of a policy: settings of queues and exchanges."""

    alternate_exchange: Annotated[Name | None, Support(policy="..")] = Field(
        None, description="Exchange that receives unroutable messages (`alternate-exchange`)."
    )
    target_group_size: Annotated[Whole | None, Support(quorum="3.13..", policy="3.13..")] = Field(
        None, ge=1, description="Target number of replicas of a quorum queue (`target-group-size`)."
    )
    federation_upstream: Annotated[Name | None, Support(policy="..")] = Field(
        None, description="Name of the upstream to federate from (`federation-upstream`)."
    )
    federation_upstream_set: Annotated[Name | None, Support(policy="..")] = Field(
        None,
        description="Name of the upstream set to federate from, or `all` (`federation-upstream-set`).",
    )
    federation_upstream_pattern: Annotated[Regex | None, Support(policy="..")] = Field(
        None, description="Federate from all upstreams whose name matches (`federation-upstream-pattern`)."
    )
    ha_mode: Annotated[Literal["all", "exactly", "nodes"] | None, Support(policy="..3.13")] = Field(
        None, description="Mirroring mode of classic queues; removed in RabbitMQ 4.0 (`ha-mode`)."
    )
    ha_params: Annotated[Whole | tuple[str, ...] | None, Support(policy="..3.13")] = Field(
        None, description="Number of mirrors, or list of nodes; removed in RabbitMQ 4.0 (`ha-params`)."
    )
    ha_sync_mode: Annotated[Literal["manual", "automatic"] | None, Support(policy="..3.13")] = Field(
        None, description="How new mirrors synchronise; removed in RabbitMQ 4.0 (`ha-sync-mode`)."
    )
    shards_per_node: Annotated[Whole | None, Support(policy="..")] = Field(
        None, ge=1, description="Sharding plugin: number of shards per node (`shards-per-node`)."
    )
    routing_key: Annotated[str | None, Support(policy="..")] = Field(
        None, description="Sharding plugin: routing key of the shards' bindings (`routing-key`)."
    )
    arguments: Arguments = Field(
        default_factory=dict, description="Additional policy keys, passed through unchanged."
    )

    def keys(self, version: Version | None = None) -> dict[str, Any]:
        """The definition by RabbitMQ's names.

        Parameters:
          version: The broker's version; if it is unknown, `delivery_limit: none` is left out.
        """
        definition = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self.settings(version).items()
        }
        return definition | self.arguments


class Policy(Model):
    """A policy or operator policy: the objects it applies to and their settings."""

    pattern: Regex = Field(
        description="Regular expression that object names must match; unanchored unless it has `^` and `$`. "
        "An empty one matches all names."
    )
    apply_to: Literal["all", "queues", "exchanges", "classic_queues", "quorum_queues", "streams"] = Field(
        "all", description="Objects the policy applies to; single queue types require RabbitMQ 3.12."
    )
    priority: Whole = Field(
        0, description="If several policies match an object, the one with the highest priority applies."
    )
    definition: PolicyDefinition = Field(description="Settings to apply.")
