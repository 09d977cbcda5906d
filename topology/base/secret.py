"""A string that never shows itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import reprlib
from collections.abc import Mapping
from typing import Any

from pydantic_core import core_schema

from .scalar import only_variables

MASK = "***"

#: User and password of a URL, up to the last `@`: a password may hold `/` and `@` that nobody escaped.
URL_CREDENTIALS = re.compile(r"(?<=://)[^\s\"'`]{0,500}(?=@)")

#: What is in the name of a key whose value is not for everybody's eyes; `token` at its end says so, too.
SECRET_WORDS = r"pass?w|passphrase|secret|credential|authorization|api[_-]?key"

_SECRET_NAME = re.compile(rf"{SECRET_WORDS}|token\Z", re.IGNORECASE)
_AUTHORIZATION = re.compile(r"(?P<scheme>bearer|basic|token)\s+\S+", re.IGNORECASE)


class Secret:
    """A password, a password hash or a URL with credentials.

    `str`, `repr`, formatting and JSON all give a mask; only `reveal()` gives the text.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, to be handed to the broker and to nothing else."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Accepts a string or a secret; serialises to the mask."""
        from_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: MASK),
        )


def mask_urls(text: str) -> str:
    """The text with the credentials of every URL in it masked."""
    return URL_CREDENTIALS.sub(MASK, text) if "://" in text else text


def mask(value: Any) -> Any:
    """Plain data with each secret in it replaced by the mask, fit for JSON and for the terminal."""
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, dict):
        return {key: mask(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask(item) for item in value]
    return value


def is_secret_name(name: str) -> bool:
    """Whether a key's name says that its value is not for everybody's eyes."""
    return _SECRET_NAME.search(name) is not None


def presentable(value: Any, name: str = "") -> Any:
    """Plain data that a file may hold anything in, without what looks like a secret in it; `${NAME}` is none.

    Parameters:
      value: The data.
      name: The key that it stands under; that of a list is the key of all that is in it.
    """
    if isinstance(value, Mapping):
        return {mask_urls(str(key)): presentable(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [presentable(item, name) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if value is not None and is_secret_name(name) and not (isinstance(value, str) and only_variables(value)):
        return MASK
    if not isinstance(value, str):
        return value
    found = _AUTHORIZATION.fullmatch(value)
    return f"{found['scheme']} {MASK}" if found else mask_urls(value)


def shortened(value: Any) -> str:
    """A value as an error may quote it: no longer than a line, and without what looks like a secret.

    Parameters:
      value: Whatever somebody gave.
    """
    return reprlib.repr(presentable(value))


_HASHES = {
    "rabbit_password_hashing_sha256": hashlib.sha256,
    "rabbit_password_hashing_sha512": hashlib.sha512,
    "rabbit_password_hashing_md5": hashlib.md5,
}


def password_matches(password: Secret, password_hash: Secret, algorithm: str) -> bool:
    """Whether a password is the one that RabbitMQ stores as this hash.

    The hash is base64 of a salt of four bytes and the digest of salt and password
    (https://www.rabbitmq.com/docs/passwords#computing-password-hash).
    """
    digest = _HASHES.get(algorithm)
    if digest is None or not password_hash.reveal():
        return False
    try:
        stored = base64.b64decode(password_hash.reveal(), validate=True)
    except ValueError:
        return False
    salt, expected = stored[:4], stored[4:]
    return hmac.compare_digest(digest(salt + password.reveal().encode()).digest(), expected)
