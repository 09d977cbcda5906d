"""Which values on the broker a plan does not show: those that may be from a variable, also one of an earlier file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..base.known_secrets import secrets_in
from ..base.resources import Kind, Resource
from ..base.secret import hidden
from ..model.exchange import FIELD_OF_ARGUMENT as FIELD_OF_EXCHANGE_ARGUMENT
from ..model.links import Shovel, Upstream, UpstreamOfSet
from ..model.queue import DEAD_LETTER_FIELD_OF_ARGUMENT
from ..model.queue import FIELD_OF_ARGUMENT as FIELD_OF_QUEUE_ARGUMENT

#: The arguments that change what RabbitMQ does; clients may set any others.
KNOWN_ARGUMENTS = {
    Kind.QUEUE: FIELD_OF_QUEUE_ARGUMENT.keys() | DEAD_LETTER_FIELD_OF_ARGUMENT.keys(),
    Kind.EXCHANGE: FIELD_OF_EXCHANGE_ARGUMENT.keys(),
}

#: The fields of links whose values are of a known form; the maps may have any.
_KNOWN_LINK_FIELDS = frozenset(
    name.replace("_", "-")
    for model in (Shovel, Upstream, UpstreamOfSet)
    for name, field in model.model_fields.items()
    if "dict" not in str(field.annotation)
)


def concealed(found: Resource, shown: Mapping[str, Any], wanted: Resource | None) -> Mapping[str, Any]:
    """Live properties in which everything of free form, and what the file takes from a variable, is a secret.

    Parameters:
      found: The object on the broker.
      shown: Those of its properties that a plan shows.
      wanted: The object in the file; None if it is deleted.
    """
    kind = found.key.kind
    if kind in KNOWN_ARGUMENTS:
        shown = {**shown, "arguments": _except(KNOWN_ARGUMENTS[kind], shown["arguments"])}
    elif kind is Kind.PARAMETER:
        shown = {**shown, "value": _link(shown["value"])}
    elif kind is Kind.GLOBAL_PARAMETER:
        shown = hidden(shown)
    elif kind is Kind.VHOST and "description" in shown:
        shown = {**shown, "description": hidden(shown["description"])}
    return (
        shown
        if wanted is None
        else {name: _like(value, wanted.properties.get(name)) for name, value in shown.items()}
    )


def _link(value: Any) -> Any:
    if isinstance(value, list):
        return [_link(item) for item in value]
    return _except(_KNOWN_LINK_FIELDS, value) if isinstance(value, Mapping) else hidden(value)


def _except(known: Collection[str], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if name in known else hidden(value) for name, value in values.items()}


def _like(found: Any, wanted: Any) -> Any:
    """A value in which everything is a secret that is one in another."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        return {name: _like(item, wanted.get(name)) for name, item in found.items()}
    return hidden(found) if secrets_in([wanted]) else found
