"""Exchanges."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field

from .queue import Binding
from .types import Arguments, External, Model, Name, Whole

#: The exchange types of RabbitMQ, of the plugins it comes with, and of the best known others.
KnownType = Literal[
    "direct",
    "topic",
    "fanout",
    "headers",
    "x-consistent-hash",
    "x-random",
    "x-recent-history",
    "x-modulus-hash",
    "x-jms-topic",
    "x-delayed-message",
    "x-local-random",
]


class Exchange(Model):
    """An exchange with its type, arguments and bindings."""

    type: KnownType | Name = Field(
        "topic", description="Exchange type; most `x-` types require a plugin, which may also define others."
    )
    durable: bool = Field(True, description="Whether the exchange survives a broker restart.")
    auto_delete: bool = Field(
        False, description="Whether the exchange is deleted when its last binding is removed."
    )
    internal: bool = Field(
        False, description="Whether the exchange accepts messages only from other exchanges."
    )
    alternate_exchange: Name | None = Field(
        None, description="Exchange that receives unroutable messages (`alternate-exchange`)."
    )
    hash_header: str | None = Field(
        None, description="x-consistent-hash: header to hash instead of the routing key (`hash-header`)."
    )
    hash_property: Literal["correlation_id", "message_id", "timestamp"] | None = Field(
        None,
        description="x-consistent-hash: message property to hash instead of the routing key (`hash-property`).",
    )
    recent_history_length: Whole | None = Field(
        None,
        ge=1,
        description="x-recent-history: number of messages to keep (`x-recent-history-length`).",
    )
    delayed_type: KnownType | Name | None = Field(
        None, description="x-delayed-message: exchange type used after the delay (`x-delayed-type`)."
    )
    bindings: tuple[Binding, ...] = Field(
        (), description="Bindings from other exchanges to this exchange (exchange-to-exchange bindings)."
    )
    arguments: Arguments = Field(
        default_factory=dict, description="Additional arguments, passed through unchanged."
    )
    protect: bool = Field(
        False,
        description="Whether each plan that would delete the exchange is refused, whatever is allowed, also once it "
        "left the file, until `false` is applied. That includes a change of its type or arguments, for which RabbitMQ "
        "has to delete it.",
    )
    external: External = Field(
        False,
        description="Whether the exchange is declared elsewhere: routectl never changes it. It must exist, "
        "unless this is `later`.",
    )

    def declare_arguments(self) -> dict[str, Any]:
        """All arguments of the declaration."""
        named = {name: getattr(self, field) for name, field in FIELD_OF_ARGUMENT.items()}
        return {name: value for name, value in named.items() if value is not None} | self.arguments


KNOWN_TYPES: tuple[str, ...] = get_args(KnownType)

#: The exchange's field for each argument that has one.
FIELD_OF_ARGUMENT: dict[str, str] = {
    "alternate-exchange": "alternate_exchange",
    "hash-header": "hash_header",
    "hash-property": "hash_property",
    "x-recent-history-length": "recent_history_length",
    "x-delayed-type": "delayed_type",
}

#: Fields that apply to one exchange type only.
FIELDS_OF_TYPE: dict[str, str] = {
    "hash_header": "x-consistent-hash",
    "hash_property": "x-consistent-hash",
    "recent_history_length": "x-recent-history",
    "delayed_type": "x-delayed-message",
}
