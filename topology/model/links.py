"""Links between brokers: federation upstreams and shovels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from ..base.amqp_uri import BadUri, parse_amqp_uri
from ..base.redaction import has_password
from ..base.scalar import Interpolated, UnsetSecret
from ..base.secret import Secret, secret_uris
from .support import Spec
from .types import (
    Arguments,
    ExchangeName,
    Milliseconds,
    Model,
    Name,
    PositiveMilliseconds,
    RoutingKey,
    Whole,
    WholeSeconds,
    _listed,
)


def _uri(value: Any) -> Any:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("wrong_type", "must be a URI such as amqp://host")
    if has_password(value.written if isinstance(value, Interpolated) else value):
        raise PydanticCustomError("literal-secret", "a URI with a password must not be written in the file")
    if isinstance(value, UnsetSecret):
        return Secret("")
    try:
        parse_amqp_uri(str(value))
    except BadUri as error:
        raise PydanticCustomError(
            "bad-uri", "{message}", {"message": error.message, "help": error.help}
        ) from None
    return Secret(str(value))


_AMQP = r"^amqps?://|^\$\{"
_URI_SCHEMA = {"type": ["string", "array"], "items": {"type": "string", "pattern": _AMQP}, "pattern": _AMQP}

Uri = Annotated[Secret, BeforeValidator(_uri)]
Uris = Annotated[tuple[Uri, ...], BeforeValidator(_listed), Field(min_length=1), WithJsonSchema(_URI_SCHEMA)]
Protocol = Literal["amqp091", "amqp10", "local"]
MessageCount = Annotated[Whole, Field(ge=0)]
#: An Erlang timer takes 32 bits of milliseconds; more than that ends all links of a broker.
_LONGEST_DELAY = (2**32 - 1) // 1000
AckMode = Literal["on-confirm", "on-publish", "no-ack"]


@dataclass(frozen=True, slots=True)
class LinkSupport:
    """Where a field of a link is supported: a range of versions for each protocol, None if RabbitMQ refuses it there.

    Upstreams always use AMQP 0-9-1.
    """

    amqp091: Spec = ".."
    amqp10: Spec = None
    local: Spec = None

    def on(self, protocol: str) -> Spec:
        """The range for one protocol."""
        spec = getattr(self, protocol)
        assert spec is None or isinstance(spec, str)
        return spec


#: What every protocol has supported for as long as it exists.
_EVERYWHERE = LinkSupport(amqp10="..", local="..")


@cache
def link_support_of(model: type[BaseModel]) -> dict[str, LinkSupport]:
    """The fields of a link's model that depend on protocol or version."""
    return {
        name: item
        for name, field in model.model_fields.items()
        for item in field.metadata
        if isinstance(item, LinkSupport)
    }


class _Parameter(Model):
    """The value of a runtime parameter."""

    def value(self) -> dict[str, Any]:
        """The fields that are set, by RabbitMQ's names."""
        value: dict[str, Any] = {}
        for name in type(self).model_fields:
            item = getattr(self, name)
            if item is None or name == "arguments":
                continue
            if isinstance(item, tuple):
                item = item[0] if len(item) == 1 else list(item)
            value[name.replace("_", "-")] = item
        found: dict[str, Any] = secret_uris(value | getattr(self, "arguments", {}))
        return found


class _UpstreamOptions(_Parameter):
    """What both an upstream and a member of an upstream set can set."""

    exchange: Name | None = Field(None, description="Name of the upstream exchange, if different.")
    queue: Name | None = Field(None, description="Name of the upstream queue, if different.")
    prefetch_count: Whole | None = Field(
        None, ge=0, description="Maximum number of unacknowledged messages on a link."
    )
    reconnect_delay: WholeSeconds | None = Field(
        None, le=_LONGEST_DELAY, description="Delay before a link reconnects, in seconds."
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
    consumer_tag: str | None = Field(None, description="Consumer tag of the link.")
    trust_user_id: bool | None = Field(
        None, description="Whether to preserve the `user_id` property of upstream messages."
    )
    queue_type: Annotated[Literal["classic", "quorum"] | None, LinkSupport("3.13..")] = Field(
        None, description="Type of the upstream queue of a link; requires RabbitMQ 3.13."
    )
    channel_use_mode: Literal["multiple", "single"] | None = Field(
        None, description="Whether a link uses one channel for everything or several."
    )
    bind_nowait: bool | None = Field(
        None, description="Whether a link binds in the upstream without waiting for an answer."
    )
    resource_cleanup_mode: Literal["default", "never"] | None = Field(
        None, description="Whether a link deletes its queue and exchange in the upstream when it is removed."
    )


class Upstream(_UpstreamOptions):
    """A federation upstream: a broker from which exchanges or queues are federated."""

    uri: Uris = Field(
        description="AMQP URI of the upstream, or several to try in turn; credentials only as `${NAME}`."
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
    """A dynamic shovel, which moves messages from a source to a destination, in one broker or between two.

    A source is a queue or an exchange, with AMQP 1.0 an address. A destination is the same, or neither: messages then
    keep their exchange and routing key.
    """

    src_uri: Uris = Field(description="AMQP URI of the source; credentials only as `${NAME}`.")
    src_protocol: Protocol | None = Field(
        None, description="Protocol of the source, by default `amqp091`; `local` requires RabbitMQ 4.2."
    )
    src_queue: Annotated[Name | None, LinkSupport(local="..")] = Field(
        None, description="Queue to consume from."
    )
    src_queue_args: Annotated[Arguments | None, LinkSupport(local="..")] = Field(
        None, description="Arguments used to declare the source queue."
    )
    src_exchange: Annotated[Name | None, LinkSupport(local="..")] = Field(
        None, description="Exchange to consume from through a temporary queue, instead of `src_queue`."
    )
    src_exchange_key: Annotated[RoutingKey | None, LinkSupport(local="..")] = Field(
        None, description="Binding key used with `src_exchange`."
    )
    src_address: Annotated[str | None, LinkSupport(None, amqp10="..")] = Field(
        None, description="Source address (AMQP 1.0)."
    )
    src_prefetch_count: Annotated[Whole | None, LinkSupport(amqp10="..")] = Field(
        None, ge=1, description="Maximum number of unacknowledged messages."
    )
    src_delete_after: Annotated[Literal["never", "queue-length"] | MessageCount | None, _EVERYWHERE] = Field(
        None,
        description="When the shovel deletes itself: `never`, after the initial `queue-length`, or after this many "
        "messages; such a shovel is only started by `apply --run shovel:NAME`.",
    )
    src_predeclared: Annotated[bool | None, LinkSupport("4.0..", amqp10="4.3..", local="..")] = Field(
        None, description="Whether the source must already exist and is not declared."
    )
    src_consumer_args: Annotated[Arguments | None, LinkSupport(amqp10="4.3..", local="..")] = Field(
        None, description="Arguments of the shovel's consumer."
    )
    src_consumer_name: Annotated[str | None, LinkSupport("4.3..", amqp10="4.3..", local="4.3..")] = Field(
        None, description="Consumer tag of the shovel's consumer."
    )
    dest_uri: Uris = Field(description="AMQP URI of the destination; credentials only as `${NAME}`.")
    dest_protocol: Protocol | None = Field(
        None, description="Protocol of the destination, by default `amqp091`; `local` requires RabbitMQ 4.2."
    )
    dest_queue: Annotated[Name | None, LinkSupport(local="..")] = Field(
        None, description="Queue to publish to."
    )
    dest_queue_args: Annotated[Arguments | None, LinkSupport(local="..")] = Field(
        None, description="Arguments used to declare the destination queue."
    )
    dest_exchange: Annotated[ExchangeName | None, LinkSupport(local="..")] = Field(
        None, description="Exchange to publish to, instead of `dest_queue`; by default that of the message."
    )
    dest_exchange_key: Annotated[RoutingKey | None, LinkSupport(local="..")] = Field(
        None, description="Routing key to publish with; by default that of the original message."
    )
    dest_address: Annotated[str | None, LinkSupport(None, amqp10="..")] = Field(
        None, description="Destination address (AMQP 1.0)."
    )
    dest_predeclared: Annotated[bool | None, LinkSupport("4.0..", amqp10="4.3..", local="..")] = Field(
        None, description="Whether the destination must already exist and is not declared."
    )
    dest_publish_properties: Annotated[Arguments | None, LinkSupport()] = Field(
        None, description="Message properties to overwrite, such as `delivery_mode`."
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
        None, le=_LONGEST_DELAY, description="Delay before the shovel reconnects, in seconds."
    )
    arguments: Arguments = Field(
        default_factory=dict, description="Additional parameters, passed through unchanged."
    )
