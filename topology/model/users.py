"""Users and what they may do."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..base.secret import Secret
from .types import AccessPattern, Model, Name, Names, Password, Regex


class Permission(Model):
    """What a user may do in one vhost: regular expressions on the names of queues and exchanges."""

    configure: AccessPattern = Field(
        "^$", description="What the user may declare and delete; `^$` is nothing."
    )
    write: AccessPattern = Field("^$", description="What the user may publish to and bind.")
    read: AccessPattern = Field("^$", description="What the user may consume and bind from.")


class TopicPermission(Model):
    """Which routing keys a user may use on a topic exchange."""

    write: Regex = Field(".*", description="Keys the user may publish with.")
    read: Regex = Field(".*", description="Keys the user may bind with.")


class User(Model):
    """A user of the broker. The password comes from the environment or a file, or as a hash."""

    tags: Names = Field(
        (), description="`administrator`, `monitoring`, `policymaker`, `management`, or your own."
    )
    password: Password | None = Field(
        None,
        description="The password, from the environment only: `${APP_PASSWORD}`. Left out, it is not changed.",
    )
    password_file: str | None = Field(None, description="A file whose first line is the password.")
    password_hash: Secret | None = Field(
        None, description="The password as RabbitMQ's hash (`rabbitmqctl hash_password`)."
    )
    hashing_algorithm: Literal[
        "rabbit_password_hashing_sha256", "rabbit_password_hashing_sha512", "rabbit_password_hashing_md5"
    ] = Field("rabbit_password_hashing_sha256", description="The algorithm of `password_hash`.")
    permissions: dict[Name, Permission] = Field(default_factory=dict, description="Permissions by vhost.")
    topic_permissions: dict[Name, dict[str, TopicPermission]] = Field(
        default_factory=dict, description="Topic permissions by vhost and exchange."
    )
