"""Exchanges."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .queue import Binding
from .types import Arguments, Model, Name, Whole


class Exchange(Model):
    """An exchange: its type, arguments, and the exchanges that it is bound to."""

    type: Literal[
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
    ] = Field("topic", description="How the exchange routes; the `x-` types need their plugin on the broker.")
    durable: bool = Field(True, description="Survives a restart of the broker.")
    auto_delete: bool = Field(False, description="Is deleted when its last binding goes.")
    internal: bool = Field(
        False, description="Takes messages from other exchanges only, not from publishers."
    )
    alternate_exchange: Name | None = Field(
        None, description="Where messages go that match no binding (`alternate-exchange`)."
    )
    hash_header: str | None = Field(
        None, description="x-consistent-hash: hash this header instead of the routing key (`hash-header`)."
    )
    hash_property: Literal["correlation_id", "message_id", "timestamp"] | None = Field(
        None,
        description="x-consistent-hash: hash this property instead of the routing key (`hash-property`).",
    )
    recent_history_length: Whole | None = Field(
        None,
        ge=1,
        description="x-recent-history: how many messages it remembers (`x-recent-history-length`).",
    )
    delayed_type: Literal["direct", "topic", "fanout", "headers"] | None = Field(
        None, description="x-delayed-message: how it routes after the delay (`x-delayed-type`)."
    )
    bindings: tuple[Binding, ...] = Field(
        (), description="Which messages this exchange gets from other exchanges."
    )
    arguments: Arguments = Field(
        default_factory=dict, description="Arguments that have no field here, passed as they are."
    )
    external: bool = Field(
        False, description="Somebody else declares this exchange: it must exist, and is never changed."
    )

    def declare_arguments(self) -> dict[str, Any]:
        """All arguments of the declaration."""
        named = {name: getattr(self, field) for name, field in FIELD_OF_ARGUMENT.items()}
        return {name: value for name, value in named.items() if value is not None} | self.arguments


#: The exchange's field for every argument that has one.
FIELD_OF_ARGUMENT: dict[str, str] = {
    "alternate-exchange": "alternate_exchange",
    "hash-header": "hash_header",
    "hash-property": "hash_property",
    "x-recent-history-length": "recent_history_length",
    "x-delayed-type": "delayed_type",
}

#: Fields that belong to one exchange type only.
FIELDS_OF_TYPE: dict[str, str] = {
    "hash_header": "x-consistent-hash",
    "hash_property": "x-consistent-hash",
    "recent_history_length": "x-recent-history",
    "delayed_type": "x-delayed-message",
}
