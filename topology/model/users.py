"""Users and permissions."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from ..base.scalar import Interpolated, UnsetSecret, only_variables
from ..base.secret import HASH_SIZES, Secret
from .types import LIST_SCHEMA, Model, Name, Regex, Whole, _listed


def _tags(value: Any) -> Any:
    """Tags are separated by commas, also within an entry of a list; RabbitMQ strips white space around them."""
    entries = _listed(value)
    if not isinstance(entries, list | tuple):
        return entries
    tags: list[Any] = []
    for entry in entries:
        tags += [tag.strip() for tag in entry.split(",")] if isinstance(entry, str) else [entry]
    return tuple(tag for index, tag in enumerate(tags) if tag != "" and tag not in tags[:index])


def _ascii(value: str) -> str:
    if not value.isascii():
        raise PydanticCustomError(
            "name", "a user's tag must be ASCII: RabbitMQ stores other characters wrongly"
        )
    return value


def _printable(value: str) -> str:
    if not value.isprintable():
        raise PydanticCustomError("name", "a tag cannot contain control characters")
    return value


Tag = Annotated[Name, AfterValidator(_printable)]
Tags = Annotated[tuple[Tag, ...], BeforeValidator(_tags), WithJsonSchema(LIST_SCHEMA)]
UserTags = Annotated[
    tuple[Annotated[Tag, AfterValidator(_ascii)], ...],
    BeforeValidator(_tags),
    WithJsonSchema(LIST_SCHEMA),
]


def _password(value: Any) -> Any:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, Interpolated):
        raise PydanticCustomError("literal-secret", "a password must not be written in the file")
    if not only_variables(value.written):
        raise PydanticCustomError(
            "literal-secret", "a password must consist of variables only, without defaults"
        )
    if not value and not isinstance(value, UnsetSecret):
        raise PydanticCustomError("literal-secret", "the password is empty")
    return Secret(str(value))


def _password_hash(value: Any) -> Any:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("wrong_type", "must be a string")
    if isinstance(value, UnsetSecret) or (not value and not isinstance(value, Interpolated)):
        return Secret("")  # RabbitMQ: the user cannot log in with a password
    try:
        size = len(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if size not in HASH_SIZES.values():
        raise PydanticCustomError("bad-hash", "must be a password hash, which is base64 of salt and digest")
    return Secret(str(value))


_PASSWORD_SCHEMA = {"type": "string", "pattern": r"^(\$\{[^{}]+\})+$"}
_HASH_SCHEMA = {"type": "string", "pattern": r"^[A-Za-z0-9+/]{28,}=*$|^$|\$\{.+\}"}

Password = Annotated[Secret, BeforeValidator(_password), WithJsonSchema(_PASSWORD_SCHEMA)]
PasswordHash = Annotated[Secret, BeforeValidator(_password_hash), WithJsonSchema(_HASH_SCHEMA)]


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
    password_hash: PasswordHash | None = Field(
        None,
        description="Password hash, as from `rabbitmqctl hash_password`; an empty text for a user without a password.",
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
