"""Strings whose value is never printed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from pydantic_core import core_schema

from .resources import map_leaves
from .scalar import FromVariable, plain

MASK = "***"


class Secret:
    """A password, a password hash, a URL with credentials, or any value from a variable.

    `str`, `repr`, formatting and JSON all return a mask; only `reveal()` returns the value.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str | int | float) -> None:
        self._value = value

    def reveal(self) -> Any:
        """The value; pass it to the broker only."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return False
        mine, theirs = self._value, other._value
        if isinstance(mine, str) and isinstance(theirs, str):
            return hmac.compare_digest(mine.encode(), theirs.encode())
        return mine == theirs and isinstance(mine, bool) == isinstance(theirs, bool)

    def __hash__(self) -> int:
        return hash(self._value)

    def __deepcopy__(self, _memo: object) -> Secret:
        return self

    def __reduce__(self) -> Any:
        raise TypeError("a secret cannot be pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Accepts a string or a secret; serialises to the mask."""
        from_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: MASK),
        )


def mask(value: Any) -> Any:
    """Plain data with every secret in it masked, safe to print."""
    return map_leaves(value, lambda leaf: MASK if isinstance(leaf, Secret) else leaf)


def reveal(value: Any) -> Any:
    """Plain data with every secret in it in plain text; pass it to the broker only."""
    return map_leaves(value, lambda leaf: leaf.reveal() if isinstance(leaf, Secret) else leaf)


def hidden(value: Any) -> Any:
    """Plain data in which every text and number is a secret."""
    return map_leaves(
        value,
        lambda leaf: (
            Secret(leaf) if isinstance(leaf, str | int | float) and not isinstance(leaf, bool) else leaf
        ),
    )


def variables_hidden(value: Any) -> Any:
    """Plain data in which every text and number from a variable is a secret."""
    return map_leaves(value, lambda leaf: hidden(plain(leaf)) if isinstance(leaf, FromVariable) else leaf)


def secret_uris(value: Any, name: str = "") -> Any:
    """A parameter's value in which each URI is a secret: each text whose name ends in `uri`, or in a list of that name.

    A list of one URI becomes that URI, to which it is equal in RabbitMQ.
    """
    if isinstance(value, Mapping):
        return {field: secret_uris(item, field) for field, item in value.items()}
    if isinstance(value, list | tuple):
        items = [secret_uris(item, name) for item in value]
        return items[0] if len(items) == 1 and isinstance(items[0], Secret) else items
    return Secret(value) if isinstance(value, str) and name.endswith("uri") else value


_HASHES = {
    "rabbit_password_hashing_sha256": hashlib.sha256,
    "rabbit_password_hashing_sha512": hashlib.sha512,
    "rabbit_password_hashing_md5": hashlib.md5,
}
_SALT_BYTES = 4
#: Bytes of a password hash, salt and digest, by hashing algorithm.
HASH_SIZES = {
    "rabbit_password_hashing_sha256": 36,
    "rabbit_password_hashing_sha512": 68,
    "rabbit_password_hashing_md5": 20,
}


def password_matches(password: Secret, password_hash: Secret, algorithm: str) -> bool:
    """Whether a password matches a password hash from RabbitMQ.

    The hash is the base64 encoding of a 4-byte salt followed by the digest of salt and password
    (https://www.rabbitmq.com/docs/passwords#computing-password-hash).
    """
    digest = _HASHES.get(algorithm)
    if digest is None or not password_hash.reveal():
        return False
    try:
        stored = base64.b64decode(password_hash.reveal(), validate=True)
    except ValueError:
        return False
    salt, expected = stored[:_SALT_BYTES], stored[_SALT_BYTES:]
    return hmac.compare_digest(digest(salt + password.reveal().encode()).digest(), expected)
