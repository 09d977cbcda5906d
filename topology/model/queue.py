"""Queues, their arguments and their bindings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .support import Support, arguments_of, support_of
from .types import (
    Age,
    Arguments,
    ExchangeName,
    Milliseconds,
    Model,
    PositiveMilliseconds,
    RoutingKey,
    Size,
    Whole,
)

QueueType = Literal["classic", "quorum", "stream"]


class Binding(Model):
    """A binding from an exchange to the queue or exchange that it stands under."""

    exchange: ExchangeName = Field(
        description="The exchange to bind to; one of this file's, or a built-in `amq.*`."
    )
    key: RoutingKey = Field(
        "", description="The routing key, or the pattern of a topic exchange (`*` one word, `#` any)."
    )
    match: Literal["all", "any", "all-with-x", "any-with-x"] | None = Field(
        None, description="How a headers exchange compares `headers` (`x-match`)."
    )
    headers: Arguments = Field(
        default_factory=dict,
        description="Headers to match on a headers exchange; values are compared with their type.",
    )
    arguments: Arguments = Field(
        default_factory=dict, description="Any other binding arguments, passed as they are."
    )

    def binding_arguments(self) -> dict[str, Any]:
        """All arguments of the binding as RabbitMQ takes them."""
        if self.match is None and not self.headers:
            return self.arguments
        matching = {"x-match": self.match} if self.match else {}
        return {**self.arguments, **self.headers, **matching}


class DeadLetter(Model):
    """Where messages go that are rejected, expire, or do not fit."""

    exchange: ExchangeName = Field(
        description="The dead-letter exchange; `''` is the default exchange (`x-dead-letter-exchange`)."
    )
    routing_key: RoutingKey | None = Field(
        None,
        description="The key to publish with; the message's own by default (`x-dead-letter-routing-key`).",
    )
    strategy: Literal["at-most-once", "at-least-once"] | None = Field(
        None,
        description="Quorum queues: `at-least-once` keeps a message until the dead-letter queue has it; "
        "needs `overflow: reject-publish` (`x-dead-letter-strategy`).",
    )

    def settings(self) -> dict[str, Any]:
        """The settings by RabbitMQ's names without `x-`."""
        named = {
            name.removeprefix("x-"): getattr(self, field)
            for name, field in DEAD_LETTER_FIELD_OF_ARGUMENT.items()
        }
        return {name: value for name, value in named.items() if value is not None}


class QueueSettings(Model):
    """What both a queue's arguments and a policy can set."""

    expires: Annotated[PositiveMilliseconds | None, Support(classic="..", quorum="..")] = Field(
        None, description="Deletes the queue after it was unused for this long (`x-expires`, ms)."
    )
    message_ttl: Annotated[Milliseconds | None, Support(classic="..", quorum="..")] = Field(
        None, description="Drops or dead-letters a message that waited this long (`x-message-ttl`, ms)."
    )
    max_length: Annotated[Whole | None, Support(classic="..", quorum="..")] = Field(
        None,
        ge=0,
        description="The most ready messages; `overflow` says what happens beyond (`x-max-length`).",
    )
    max_length_bytes: Annotated[Size | None, Support(classic="..", quorum="..", stream="..")] = Field(
        None, description="The most bytes of ready messages, or of a stream (`x-max-length-bytes`)."
    )
    dead_letter: DeadLetter | None = Field(None, description="Where rejected and expired messages go.")
    overflow: Annotated[
        Literal["drop-head", "reject-publish", "reject-publish-dlx"] | None,
        Support(classic="..", quorum=".."),
    ] = Field(
        None,
        description="What happens to a message beyond the maximum length; quorum queues do not know "
        "`reject-publish-dlx` (`x-overflow`).",
    )
    delivery_limit: Annotated[Whole | None, Support(quorum="..")] = Field(
        None,
        ge=-1,
        description="How often a message is delivered again before it is dropped or dead-lettered; "
        "20 by default from RabbitMQ 4.0, -1 for no limit (`x-delivery-limit`).",
    )
    consumer_timeout: Annotated[
        PositiveMilliseconds | None,
        Support(classic="3.12..4.2", quorum="3.12..", stream="3.12..4.2", policy="3.12.."),
    ] = Field(
        None, description="How long a consumer may hold a message unacknowledged (`x-consumer-timeout`, ms)."
    )
    consumer_disconnected_timeout: Annotated[
        PositiveMilliseconds | None, Support(quorum="4.3..", policy="4.3..")
    ] = Field(
        None,
        description="How long a lost consumer keeps its messages (`x-consumer-disconnected-timeout`, ms).",
    )
    delayed_retry_type: Annotated[
        Literal["all", "failed", "returned", "disabled"] | None, Support(quorum="4.3..", policy="4.3..")
    ] = Field(
        None,
        description="Which returned messages wait before they are delivered again (`x-delayed-retry-type`).",
    )
    delayed_retry_min: Annotated[PositiveMilliseconds | None, Support(quorum="4.3..", policy="4.3..")] = (
        Field(
            None,
            description="The wait before the first redelivery; grows with each (`x-delayed-retry-min`, ms).",
        )
    )
    delayed_retry_max: Annotated[PositiveMilliseconds | None, Support(quorum="4.3..", policy="4.3..")] = (
        Field(None, description="The longest wait before a redelivery (`x-delayed-retry-max`, ms).")
    )
    max_in_memory_length: Annotated[Whole | None, Support(quorum="..")] = Field(
        None,
        ge=0,
        description="Messages kept in memory; without effect from RabbitMQ 4.3 (`x-max-in-memory-length`).",
    )
    max_in_memory_bytes: Annotated[Size | None, Support(quorum="..")] = Field(
        None, description="Bytes kept in memory; without effect from RabbitMQ 4.3 (`x-max-in-memory-bytes`)."
    )
    max_age: Annotated[Age | None, Support(stream="..")] = Field(
        None, description="The oldest segment that a stream keeps, such as `7D` (`x-max-age`)."
    )
    stream_max_segment_size_bytes: Annotated[Size | None, Support(stream="..")] = Field(
        None,
        le=3_000_000_000,
        description="The size of a stream's segment files (`x-stream-max-segment-size-bytes`).",
    )
    stream_filter_size_bytes: Annotated[Whole | None, Support(stream="3.13..", policy=None)] = Field(
        None, ge=16, le=255, description="The size of a stream's Bloom filter (`x-stream-filter-size-bytes`)."
    )
    queue_mode: Annotated[Literal["default", "lazy"] | None, Support(classic="..")] = Field(
        None, description="`lazy` keeps messages on disk; without effect from RabbitMQ 3.12 (`x-queue-mode`)."
    )
    queue_version: Annotated[Whole | None, Support(classic="..")] = Field(
        None, ge=1, le=2, description="The storage of a classic queue; 4.3 takes only 2 (`x-queue-version`)."
    )
    queue_leader_locator: Annotated[
        Literal["client-local", "balanced", "random", "least-leaders", "min-masters"] | None,
        Support(classic="4.0..", quorum="..", stream=".."),
    ] = Field(None, description="On which node the leader is placed (`x-queue-leader-locator`).")
    queue_master_locator: Annotated[
        Literal["client-local", "min-masters", "random"] | None, Support(classic="..4.2", policy="..4.2")
    ] = Field(None, description="The old name of `queue_leader_locator` (`x-queue-master-locator`).")
    initial_cluster_size: Annotated[Whole | None, Support(stream="..", policy="..")] = Field(
        None, ge=1, description="Replicas of a stream when it is created (`x-initial-cluster-size`)."
    )


class Queue(QueueSettings):
    """A queue: its type, arguments and bindings."""

    type: QueueType = Field(
        "classic", description="`classic`, `quorum` (replicated) or `stream` (`x-queue-type`)."
    )
    durable: bool = Field(True, description="Survives a restart of the broker.")
    auto_delete: bool = Field(
        False, description="Is deleted when its last consumer goes; classic queues only."
    )
    single_active_consumer: Annotated[bool | None, Support(classic="..", quorum="..", policy=None)] = Field(
        None,
        description="One consumer at a time gets messages, the others stand by (`x-single-active-consumer`).",
    )
    max_priority: Annotated[Whole | None, Support(classic="..", policy=None)] = Field(
        None,
        ge=1,
        le=255,
        description="The highest message priority; more than a few levels cost memory. Quorum queues need no "
        "argument: they know two levels from RabbitMQ 4.0, 32 from 4.3 (`x-max-priority`).",
    )
    quorum_initial_group_size: Annotated[Whole | None, Support(quorum="..", policy=None)] = Field(
        None,
        ge=1,
        description="Replicas of a quorum queue when it is created (`x-quorum-initial-group-size`).",
    )
    shards: Whole | None = Field(
        None,
        ge=2,
        le=1024,
        description="So many queues instead of one, `NAME.0`, `NAME.1`, …, each bound with its number behind the key "
        "where the exchange compares keys; a route's `shard_by` says which of them a task goes to. On a fanout or "
        "headers exchange each of them would get every message, which is refused.",
    )
    bindings: tuple[Binding, ...] = Field(
        (), description="Which messages the queue gets, from which exchanges."
    )
    arguments: Arguments = Field(
        default_factory=dict,
        description="Arguments that have no field here, passed as they are (names with `x-`).",
    )
    external: bool = Field(
        False, description="Somebody else declares this queue: it must exist, and is never changed."
    )

    def declare_arguments(self) -> dict[str, Any]:
        """All arguments of the declaration, `x-queue-type` among them."""
        arguments: dict[str, Any] = {"x-queue-type": self.type}
        for name, value in arguments_of(self):
            arguments[f"x-{name}"] = value
        if self.dead_letter is not None:
            arguments.update({f"x-{name}": value for name, value in self.dead_letter.settings().items()})
        arguments.update(self.arguments)
        return arguments


#: The queue's field for every argument that has one.
FIELD_OF_ARGUMENT: dict[str, str] = {
    f"x-{item.key or name.replace('_', '-')}": name for name, item in support_of(Queue).items()
} | {"x-queue-type": "type"}

#: The field of `dead_letter` for every argument that it stands for.
DEAD_LETTER_FIELD_OF_ARGUMENT: dict[str, str] = {
    "x-dead-letter-exchange": "exchange",
    "x-dead-letter-routing-key": "routing_key",
    "x-dead-letter-strategy": "strategy",
}
