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


def _value(model: Model) -> dict[str, Any]:
    """What a model sets, by RabbitMQ's names, ready to be a parameter's value."""
    value = {}
    for name in type(model).model_fields:
        item = getattr(model, name)
        if item is None or name == "arguments":
            continue
        if isinstance(item, tuple):
            item = item[0] if len(item) == 1 else list(item)
        value[name.replace("_", "-")] = item
    return value | getattr(model, "arguments", {})


class Upstream(Model):
    """A broker that exchanges or queues are federated from."""

    uri: Uris = Field(
        description="Where the upstream is; with credentials only as `${NAME}`. Several are tried in turn."
    )
    exchange: Name | None = Field(None, description="The upstream's exchange, if it has another name.")
    queue: Name | None = Field(None, description="The upstream's queue, if it has another name.")
    consumer_tag: str | None = Field(None, description="The tag of the link's consumer.")
    prefetch_count: Whole | None = Field(None, ge=0, description="Messages in flight on a link.")
    reconnect_delay: WholeSeconds | None = Field(
        None, description="The wait before a link connects again, in seconds."
    )
    ack_mode: AckMode | None = Field(None, description="When the upstream may forget a message.")
    trust_user_id: bool | None = Field(None, description="Keep the user id of the upstream's messages.")
    max_hops: Whole | None = Field(None, ge=1, description="How many links a message may cross.")
    expires: PositiveMilliseconds | None = Field(
        None, description="The upstream's buffer queue is deleted after it was unused for this long (ms)."
    )
    message_ttl: Milliseconds | None = Field(
        None, description="How long messages wait in the upstream's buffer (ms)."
    )
    queue_type: Literal["classic", "quorum"] | None = Field(
        None, description="The type of the upstream's buffer queue."
    )
    arguments: Arguments = Field(
        default_factory=dict, description="Settings that have no field here, passed as they are."
    )

    def value(self) -> dict[str, Any]:
        """The value of the parameter `federation-upstream`."""
        return _value(self)


class UpstreamOfSet(Model):
    """A member of an upstream set, with what it changes of the upstream."""

    upstream: Name = Field(description="The upstream's name.")
    exchange: Name | None = Field(None, description="The upstream's exchange, if it has another name.")
    queue: Name | None = Field(None, description="The upstream's queue, if it has another name.")
    prefetch_count: Whole | None = Field(None, ge=0, description="Messages in flight on the link.")
    reconnect_delay: WholeSeconds | None = Field(
        None, description="The wait before the link connects again, in seconds."
    )
    ack_mode: AckMode | None = Field(None, description="When the upstream may forget a message.")
    max_hops: Whole | None = Field(None, ge=1, description="How many links a message may cross.")
    expires: PositiveMilliseconds | None = Field(None, description="As on the upstream (ms).")
    message_ttl: Milliseconds | None = Field(None, description="As on the upstream (ms).")

    def value(self) -> dict[str, Any]:
        """The member as RabbitMQ takes it."""
        return _value(self)


class Federation(Model):
    """Upstream brokers, and sets of them, that policies refer to."""

    upstreams: dict[Name, Upstream] = Field(default_factory=dict, description="Upstreams by name.")
    upstream_sets: dict[Name, tuple[UpstreamOfSet, ...]] = Field(
        default_factory=dict, description="Sets of upstreams by name."
    )


class Shovel(Model):
    """A shovel: moves messages from a source to a destination, on this broker or between two."""

    src_uri: Uris = Field(description="Where messages come from; with credentials only as `${NAME}`.")
    src_protocol: Literal["amqp091", "amqp10", "local"] | None = Field(
        None, description="The source's protocol."
    )
    src_queue: Name | None = Field(None, description="The queue to take messages from.")
    src_queue_args: Arguments | None = Field(
        None, description="Arguments with which the source queue is declared."
    )
    src_exchange: Name | None = Field(
        None, description="The exchange to take messages from, instead of a queue."
    )
    src_exchange_key: RoutingKey | None = Field(None, description="The key to bind to `src_exchange` with.")
    src_address: str | None = Field(None, description="The source's address, with AMQP 1.0.")
    src_prefetch_count: Whole | None = Field(None, ge=1, description="Messages in flight.")
    src_delete_after: Literal["never", "queue-length"] | Whole | None = Field(
        None,
        description="When the shovel deletes itself: `never`, `queue-length`, or after so many messages.",
    )
    src_predeclared: bool | None = Field(None, description="Do not declare the source.")
    src_consumer_args: Arguments | None = Field(None, description="Arguments of the shovel's consumer.")
    dest_uri: Uris = Field(description="Where messages go; with credentials only as `${NAME}`.")
    dest_protocol: Literal["amqp091", "amqp10", "local"] | None = Field(
        None, description="The destination's protocol."
    )
    dest_queue: Name | None = Field(None, description="The queue to put messages into.")
    dest_queue_args: Arguments | None = Field(
        None, description="Arguments with which the destination queue is declared."
    )
    dest_exchange: Name | None = Field(None, description="The exchange to publish to, instead of a queue.")
    dest_exchange_key: RoutingKey | None = Field(
        None, description="The key to publish with; the message's own by default."
    )
    dest_address: str | None = Field(None, description="The destination's address, with AMQP 1.0.")
    dest_predeclared: bool | None = Field(None, description="Do not declare the destination.")
    dest_add_forward_headers: bool | None = Field(
        None, description="Add headers that say where a message came from."
    )
    dest_add_timestamp_header: bool | None = Field(
        None, description="Add a header that says when it was moved."
    )
    ack_mode: AckMode | None = Field(
        None, description="When the source may forget a message; `on-confirm`, the default, loses none."
    )
    reconnect_delay: WholeSeconds | None = Field(
        None, description="The wait before it connects again, in seconds."
    )
    arguments: Arguments = Field(
        default_factory=dict, description="Settings that have no field here, passed as they are."
    )

    def value(self) -> dict[str, Any]:
        """The value of the parameter `shovel`."""
        return _value(self)
