"""Links between brokers: federation upstreams and shovels."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .types import (
    Arguments,
    Milliseconds,
    Model,
    Name,
    PositiveMilliseconds,
    RoutingKey,
    Uris,
    Whole,
    WholeSeconds,
)

AckMode = Literal["on-confirm", "on-publish", "no-ack"]


class _Parameter(Model):
    """The value of a runtime parameter."""

    def value(self) -> dict[str, Any]:
        """The fields that are set, by RabbitMQ's names."""
        value = {}
        for name in type(self).model_fields:
            item = getattr(self, name)
            if item is None or name == "arguments":
                continue
            if isinstance(item, tuple):
                item = item[0] if len(item) == 1 else list(item)
            value[name.replace("_", "-")] = item
        return value | getattr(self, "arguments", {})


class _UpstreamOptions(_Parameter):
    """What both an upstream and a member of an upstream set can set."""

    exchange: Name | None = Field(None, description="Name of the upstream exchange, if different.")
    queue: Name | None = Field(None, description="Name of the upstream queue, if different.")
    prefetch_count: Whole | None = Field(
        None, ge=0, description="Maximum number of unacknowledged messages on a link."
    )
    reconnect_delay: WholeSeconds | None = Field(
        None, description="Delay before a link reconnects, in seconds."
    )
    ack_mode: AckMode | None = Field(None, description="When the link acknowledges messages to the upstream.")
    max_hops: Whole | None = Field(
        None, ge=1, description="Maximum number of federation links that a message traverses."
    )
    expires: PositiveMilliseconds | None = Field(
        None, description="Time after which an unused upstream queue of a link is deleted (ms)."
    )
    message_ttl: Milliseconds | None = Field(
        None, description="Time-to-live of messages in the upstream queue of a link (ms)."
    )


class Upstream(_UpstreamOptions):
    """A federation upstream: a broker from which exchanges or queues are federated."""

    uri: Uris = Field(
        description="AMQP URI of the upstream, or several to try in turn; credentials only as `${NAME}`."
    )
    consumer_tag: str | None = Field(None, description="Consumer tag of the link.")
    trust_user_id: bool | None = Field(
        None, description="Whether to preserve the `user_id` property of upstream messages."
    )
    queue_type: Literal["classic", "quorum"] | None = Field(
        None, description="Type of the upstream queue of a link."
    )
    arguments: Arguments = Field(
        default_factory=dict, description="Additional parameters, passed through unchanged."
    )


class UpstreamOfSet(_UpstreamOptions):
    """A member of an upstream set; its fields override those of the upstream."""

    upstream: Name = Field(description="Name of the upstream.")


class Federation(Model):
    """Federation upstreams and upstream sets, which policies refer to."""

    upstreams: dict[Name, Upstream] = Field(default_factory=dict, description="Upstreams by name.")
    upstream_sets: dict[Name, tuple[UpstreamOfSet, ...]] = Field(
        default_factory=dict, description="Upstream sets by name."
    )


class Shovel(_Parameter):
    """A dynamic shovel, which moves messages from a source to a destination, in one broker or between two."""

    src_uri: Uris = Field(description="AMQP URI of the source; credentials only as `${NAME}`.")
    src_protocol: Literal["amqp091", "amqp10", "local"] | None = Field(
        None, description="Protocol of the source."
    )
    src_queue: Name | None = Field(None, description="Queue to consume from.")
    src_queue_args: Arguments | None = Field(None, description="Arguments used to declare the source queue.")
    src_exchange: Name | None = Field(
        None, description="Exchange to consume from through a temporary queue, instead of `src_queue`."
    )
    src_exchange_key: RoutingKey | None = Field(None, description="Binding key used with `src_exchange`.")
    src_address: str | None = Field(None, description="Source address (AMQP 1.0).")
    src_prefetch_count: Whole | None = Field(
        None, ge=1, description="Maximum number of unacknowledged messages."
    )
    src_delete_after: Literal["never", "queue-length"] | Whole | None = Field(
        None,
        description="When the shovel deletes itself: `never`, after the initial `queue-length`, or after this many "
        "messages.",
    )
    src_predeclared: bool | None = Field(
        None, description="Whether the source must already exist and is not declared."
    )
    src_consumer_args: Arguments | None = Field(None, description="Arguments of the shovel's consumer.")
    dest_uri: Uris = Field(description="AMQP URI of the destination; credentials only as `${NAME}`.")
    dest_protocol: Literal["amqp091", "amqp10", "local"] | None = Field(
        None, description="Protocol of the destination."
    )
    dest_queue: Name | None = Field(None, description="Queue to publish to.")
    dest_queue_args: Arguments | None = Field(
        None, description="Arguments used to declare the destination queue."
    )
    dest_exchange: Name | None = Field(None, description="Exchange to publish to, instead of `dest_queue`.")
    dest_exchange_key: RoutingKey | None = Field(
        None, description="Routing key to publish with; by default that of the original message."
    )
    dest_address: str | None = Field(None, description="Destination address (AMQP 1.0).")
    dest_predeclared: bool | None = Field(
        None, description="Whether the destination must already exist and is not declared."
    )
    dest_add_forward_headers: bool | None = Field(
        None, description="Whether to add `x-shovelled` headers that describe the source and destination."
    )
    dest_add_timestamp_header: bool | None = Field(
        None, description="Whether to add the header `x-shovelled-timestamp`."
    )
    ack_mode: AckMode | None = Field(
        None,
        description="When the shovel acknowledges messages to the source; `on-confirm`, the default, is the safest.",
    )
    reconnect_delay: WholeSeconds | None = Field(
        None, description="Delay before the shovel reconnects, in seconds."
    )
    arguments: Arguments = Field(
        default_factory=dict, description="Additional parameters, passed through unchanged."
    )
