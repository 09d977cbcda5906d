"""Queues and bindings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from .delivery_limit import UNLIMITED, UNLIMITED_SINCE, DeliveryLimit
from .support import Support, Version, arguments_of, support_of
from .types import (
    Age,
    Arguments,
    ExchangeName,
    External,
    Milliseconds,
    Model,
    Names,
    PositiveMilliseconds,
    RoutingKey,
    Seconds,
    Size,
    Whole,
)

QueueType = Literal["classic", "quorum", "stream"]


class Binding(Model):
    """A binding from a source exchange to the queue or exchange under which it is listed."""

    exchange: ExchangeName = Field(
        description="Source exchange: one declared in this file, or a built-in `amq.*` exchange."
    )
    key: RoutingKey = Field(
        "",
        description="Binding key; on a topic exchange, `*` matches one word and `#` zero or more words.",
    )
    match: Literal["all", "any", "all-with-x", "any-with-x"] | None = Field(
        None, description="How a headers exchange matches `headers` (`x-match`)."
    )
    headers: Arguments = Field(
        default_factory=dict,
        description="Headers that a headers exchange matches; values must match in type, too.",
    )
    arguments: Arguments = Field(
        default_factory=dict, description="Additional binding arguments, passed through unchanged."
    )

    def binding_arguments(self) -> dict[str, Any]:
        """All arguments of the binding in RabbitMQ's format."""
        if self.match is None and not self.headers:
            return self.arguments
        matching = {"x-match": self.match} if self.match else {}
        return {**self.arguments, **self.headers, **matching}


class DeadLetter(Model):
    """Dead lettering of messages that are rejected, expire, or exceed the queue's length limit."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    exchange: ExchangeName | None = Field(
        None,
        description="Dead letter exchange; `''` is the default exchange. A policy may leave it to the queue, and a "
        "queue without `routing_key` to a policy (`x-dead-letter-exchange`).",
    )
    routing_key: RoutingKey | None = Field(
        None,
        description="Routing key of dead-lettered messages; by default their own (`x-dead-letter-routing-key`).",
    )
    strategy: Literal["at-most-once", "at-least-once"] | None = Field(
        None,
        description="Dead lettering strategy of quorum queues; `at-least-once` prevents message loss and requires "
        "`overflow: reject-publish` (`x-dead-letter-strategy`).",
    )

    @property
    def needs_exchange(self) -> bool:
        """Whether a queue cannot have the settings without an exchange; RabbitMQ refuses a routing key alone."""
        return self.exchange is None and (self.routing_key is not None or self.strategy is None)

    def settings(self) -> dict[str, Any]:
        """The settings by RabbitMQ's names without `x-`."""
        named = {
            name.removeprefix("x-"): getattr(self, field)
            for name, field in DEAD_LETTER_FIELD_OF_ARGUMENT.items()
        }
        return {name: value for name, value in named.items() if value is not None}


class QueueSettings(Model):
    """Settings that are both queue arguments and policy keys."""

    expires: Annotated[PositiveMilliseconds | None, Support(classic="..", quorum="..")] = Field(
        None, description="Time after which an unused queue is deleted (`x-expires`, ms)."
    )
    message_ttl: Annotated[Milliseconds | None, Support(classic="..", quorum="..")] = Field(
        None, description="Time after which a message is discarded or dead-lettered (`x-message-ttl`, ms)."
    )
    max_length: Annotated[Whole | None, Support(classic="..", quorum="..")] = Field(
        None,
        ge=0,
        description="Maximum number of ready messages; see `overflow` (`x-max-length`).",
    )
    max_length_bytes: Annotated[Size | None, Support(classic="..", quorum="..", stream="..")] = Field(
        None, description="Maximum total size of ready messages, or of a stream (`x-max-length-bytes`)."
    )
    dead_letter: DeadLetter | None = Field(None, description="Dead lettering of the queue's messages.")
    overflow: Annotated[
        Literal["drop-head", "reject-publish", "reject-publish-dlx"] | None,
        Support(classic="..", quorum=".."),
    ] = Field(
        None,
        description="Overflow behaviour when the maximum length is reached; quorum queues do not support "
        "`reject-publish-dlx` (`x-overflow`).",
    )
    delivery_limit: Annotated[DeliveryLimit | None, Support(quorum="..")] = Field(
        None,
        description="Maximum number of redeliveries before a message is discarded or dead-lettered; "
        "20 by default since RabbitMQ 4.0. `none` is no limit in any version: -1 since 4.0, and unset before, "
        "where -1 would discard a message at its first redelivery (`x-delivery-limit`).",
    )
    consumer_timeout: Annotated[
        PositiveMilliseconds | None,
        Support(classic="3.12..4.2", quorum="3.12..", stream="3.12..4.2", policy="3.12.."),
    ] = Field(None, description="Delivery acknowledgement timeout of consumers (`x-consumer-timeout`, ms).")
    consumer_disconnected_timeout: Annotated[
        PositiveMilliseconds | None, Support(quorum="4.3..", policy="4.3..")
    ] = Field(
        None,
        description="Time until the messages of a disconnected consumer are requeued "
        "(`x-consumer-disconnected-timeout`, ms).",
    )
    delayed_retry_type: Annotated[
        Literal["all", "failed", "returned", "disabled"] | None, Support(quorum="4.3..", policy="4.3..")
    ] = Field(
        None,
        description="Which returned messages are redelivered with a delay (`x-delayed-retry-type`).",
    )
    delayed_retry_min: Annotated[PositiveMilliseconds | None, Support(quorum="4.3..", policy="4.3..")] = (
        Field(
            None,
            description="Delay of the first redelivery, which grows with each retry (`x-delayed-retry-min`, ms).",
        )
    )
    delayed_retry_max: Annotated[PositiveMilliseconds | None, Support(quorum="4.3..", policy="4.3..")] = (
        Field(None, description="Maximum delay of a redelivery (`x-delayed-retry-max`, ms).")
    )
    max_in_memory_length: Annotated[Whole | None, Support(quorum="..")] = Field(
        None,
        ge=0,
        description="Maximum number of messages in memory; ignored since RabbitMQ 4.3 (`x-max-in-memory-length`).",
    )
    max_in_memory_bytes: Annotated[Size | None, Support(quorum="..")] = Field(
        None,
        description="Maximum size of messages in memory; ignored since RabbitMQ 4.3 (`x-max-in-memory-bytes`).",
    )
    max_age: Annotated[Age | None, Support(stream="..")] = Field(
        None, description="Maximum age of messages in a stream, such as `7D` (`x-max-age`)."
    )
    stream_max_segment_size_bytes: Annotated[Size | None, Support(stream="..")] = Field(
        None,
        le=3_000_000_000,
        description="Maximum size of a stream's segment files (`x-stream-max-segment-size-bytes`).",
    )
    stream_filter_size_bytes: Annotated[Whole | None, Support(stream="3.13..", policy="3.13..")] = Field(
        None, ge=16, le=255, description="Size of a stream's Bloom filter (`x-stream-filter-size-bytes`)."
    )
    queue_mode: Annotated[Literal["default", "lazy"] | None, Support(classic="..")] = Field(
        None, description="`lazy` keeps messages on disk; ignored since RabbitMQ 3.12 (`x-queue-mode`)."
    )
    queue_version: Annotated[Whole | None, Support(classic="..")] = Field(
        None,
        ge=1,
        le=2,
        description="Classic queue storage version; 4.3 supports only 2 (`x-queue-version`).",
    )
    queue_leader_locator: Annotated[
        Literal["client-local", "balanced", "random", "least-leaders", "min-masters"] | None,
        Support(classic="4.0..", quorum="..", stream=".."),
    ] = Field(None, description="Leader placement strategy (`x-queue-leader-locator`).")
    queue_master_locator: Annotated[
        Literal["client-local", "min-masters", "random"] | None, Support(classic="..4.2", policy="..4.2")
    ] = Field(None, description="Old name of `queue_leader_locator` (`x-queue-master-locator`).")
    initial_cluster_size: Annotated[Whole | None, Support(stream="..", policy="..")] = Field(
        None, ge=1, description="Initial number of replicas of a stream (`x-initial-cluster-size`)."
    )

    def settings(self, version: Version | None = None) -> dict[str, Any]:
        """The settings by RabbitMQ's names without `x-`, except those that only queues or policies have.

        Parameters:
          version: The broker's version; if it is unknown, `delivery_limit: none` is left out.
        """
        found = dict(arguments_of(self))
        if self.delivery_limit == UNLIMITED:
            del found["delivery-limit"]
            if version is not None and version >= UNLIMITED_SINCE:
                found["delivery-limit"] = -1
        if self.dead_letter is not None:
            found.update(self.dead_letter.settings())
        return found


class Queue(QueueSettings):
    """A queue or stream with its type, arguments and bindings."""

    type: QueueType = Field(
        "classic", description="Queue type: `classic`, `quorum` or `stream` (`x-queue-type`)."
    )
    durable: bool = Field(True, description="Whether the queue survives a broker restart.")
    auto_delete: bool = Field(
        False,
        description="Whether the queue is deleted when its last consumer unsubscribes; classic queues only.",
    )
    single_active_consumer: Annotated[bool | None, Support(classic="..", quorum="..", policy=None)] = Field(
        None,
        description="Whether only one consumer at a time receives messages (`x-single-active-consumer`).",
    )
    max_priority: Annotated[Whole | None, Support(classic="..", policy=None)] = Field(
        None,
        ge=0,
        le=255,
        description="Maximum message priority; every level costs memory and CPU. Quorum queues need no argument: "
        "they support two priorities since RabbitMQ 4.0, and 32 since 4.3 (`x-max-priority`).",
    )
    quorum_initial_group_size: Annotated[Whole | None, Support(quorum="..", policy=None)] = Field(
        None,
        ge=1,
        description="Initial number of replicas of a quorum queue (`x-quorum-initial-group-size`).",
    )
    shards: Whole | None = Field(
        None,
        ge=2,
        le=1024,
        description="Number of shards: declares the queues `NAME.0`, `NAME.1`, … instead of one. If the exchange "
        "matches keys, the shard number is appended to each binding key. A route selects the shard with `shard_by`. "
        "Bindings to fanout or headers exchanges are rejected, as every shard would receive every message.",
    )
    max_wait: Seconds | None = Field(
        None,
        description="Time after which a task that waits in the queue starts next, whatever the `order` of the worker's "
        "profile; not with `fair`. For a queue with `shards`, in each of them. RabbitMQ does not see it (seconds).",
    )
    renamed_from: Names = Field(
        (),
        description="Former name of the queue, or several: `apply` moves the messages and the bindings of these queues "
        "to this one, and deletes them. It may stay in the file. With `shards`, shard by shard.",
    )
    bindings: tuple[Binding, ...] = Field((), description="Bindings from exchanges to this queue.")
    arguments: Arguments = Field(
        default_factory=dict,
        description="Additional arguments, passed through unchanged (names include `x-`).",
    )
    protect: bool = Field(
        False,
        description="Whether each plan that would delete the queue is refused, whatever is allowed, also once it left "
        "the file, until `false` is applied. A move, such as to another type or name, deletes none of its messages, "
        "and is possible.",
    )
    external: External = Field(
        False,
        description="Whether the queue is declared elsewhere: routectl never changes it. It must exist, "
        "unless this is `later`.",
    )

    def declare_arguments(self, version: Version | None = None) -> dict[str, Any]:
        """All arguments of the declaration, including `x-queue-type`.

        Parameters:
          version: The broker's version; if it is unknown, `delivery_limit: none` is left out.
        """
        arguments: dict[str, Any] = {"x-queue-type": self.type}
        arguments.update({f"x-{name}": value for name, value in self.settings(version).items()})
        arguments.update(self.arguments)
        return arguments


#: The queue's field for each argument that has one.
FIELD_OF_ARGUMENT: dict[str, str] = {
    f"x-{item.key or name.replace('_', '-')}": name for name, item in support_of(Queue).items()
} | {"x-queue-type": "type"}

#: The field of `dead_letter` for each of its arguments.
DEAD_LETTER_FIELD_OF_ARGUMENT: dict[str, str] = {
    "x-dead-letter-exchange": "exchange",
    "x-dead-letter-routing-key": "routing_key",
    "x-dead-letter-strategy": "strategy",
}
