"""Users and permissions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from ..base.secret import Secret
from .types import LIST_SCHEMA, Model, Name, Password, Regex, Whole, _listed


def _tags(value: Any) -> Any:
    """Tags are separated by commas, also within an entry of a list; RabbitMQ strips spaces around them."""
    entries = _listed(value)
    if not isinstance(entries, list | tuple):
        return entries
    tags: list[Any] = []
    for entry in entries:
        tags += [tag.strip(" ") for tag in entry.split(",")] if isinstance(entry, str) else [entry]
    return tuple(tag for index, tag in enumerate(tags) if tag != "" and tag not in tags[:index])


def _ascii(value: str) -> str:
    if not value.isascii():
        raise PydanticCustomError(
            "name", "a user's tag must be ASCII: RabbitMQ stores other characters wrongly"
        )
    return value


Tags = Annotated[tuple[Name, ...], BeforeValidator(_tags), WithJsonSchema(LIST_SCHEMA)]
UserTags = Annotated[
    tuple[Annotated[Name, AfterValidator(_ascii)], ...],
    BeforeValidator(_tags),
    WithJsonSchema(LIST_SCHEMA),
]


class Permission(Model):
    """A user's permissions in a vhost: regular expressions that the names of queues and exchanges must match."""

    configure: Regex = Field(
        "^$", description="Resources the user may declare and delete; `^$` matches none."
    )
    write: Regex = Field("^$", description="Resources the user may publish to or bind to an exchange.")
    read: Regex = Field("^$", description="Resources the user may consume from or bind from.")


class TopicPermission(Model):
    """A user's permissions on a topic exchange: regular expressions that routing keys must match."""

    write: Regex = Field(".*", description="Routing keys the user may publish with.")
    read: Regex = Field(".*", description="Routing keys the user may bind with.")


class UserLimits(Model):
    """Limits of a user."""

    max_connections: Whole | None = Field(
        None, ge=-1, description="Maximum number of connections; -1 for no limit."
    )
    max_channels: Whole | None = Field(
        None, ge=-1, description="Maximum number of channels; -1 for no limit."
    )


class User(Model):
    """A user of the broker. The password comes from an environment variable, a file, or as a hash."""

    tags: UserTags | None = Field(
        None,
        description="User tags: `administrator`, `monitoring`, `policymaker`, `management`, or custom ones; `[]` "
        "removes all. Left unchanged if not set.",
    )
    password: Password | None = Field(
        None,
        description="Password, only as a variable such as `${APP_PASSWORD}`. Left unchanged if no password is set.",
    )
    password_file: str | None = Field(
        None, description="Path of a file whose first line is the password, relative to this file."
    )
    password_hash: Secret | None = Field(
        None, description="Password hash, as from `rabbitmqctl hash_password`."
    )
    hashing_algorithm: Literal[
        "rabbit_password_hashing_sha256", "rabbit_password_hashing_sha512", "rabbit_password_hashing_md5"
    ] = Field(
        "rabbit_password_hashing_sha256",
        description="Hashing algorithm of `password_hash`. If it is not set, that of a hash that RabbitMQ already has "
        "is left unchanged.",
    )
    limits: UserLimits = Field(
        default_factory=UserLimits, description="Limits of the user; those not named are left unchanged."
    )
    permissions: dict[Name, Permission] = Field(default_factory=dict, description="Permissions by vhost.")
    topic_permissions: dict[Name, dict[str, TopicPermission]] = Field(
        default_factory=dict, description="Topic permissions by vhost and exchange."
    )
