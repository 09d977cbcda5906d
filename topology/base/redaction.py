"""Masks secrets in texts and values before they are shown."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

from .scalar import FromVariable, Interpolated, only_variables
from .secret import MASK, Secret

#: User and password of a URL, up to the last `@`: a password may contain unescaped `/` and `@`.
URL_CREDENTIALS = re.compile(r"(?<=://)[^\s\"'`]{0,500}(?=@)")

#: Parts of key names whose values are secret; so are those of names that end in `token`.
SECRET_WORDS = r"pass?w|passphrase|secret|credential|authorization|api[_-]?key"

_SECRET_NAME = re.compile(rf"{SECRET_WORDS}|token\Z", re.IGNORECASE)
_AUTHORIZATION = re.compile(r"(?P<scheme>bearer|basic|token)\s+\S+", re.IGNORECASE)

_SCHEME = re.compile(r"(bearer|basic|token)\s+", re.IGNORECASE)
_BEARER = re.compile(r"bearer\s+(?P<token>\S+)", re.IGNORECASE)
_URL_PASSWORD = re.compile(
    r"://[^/?\s]*?:(?!\d{1,5}[/?,])(?P<password>[^\s]+)@|[?&]password=(?P<option>[^&\s]+)"
)

#: Letters from which on a text without digits is taken for a token.
_LONG = 16

Span = tuple[int, int]

_SECRET_TEXT = re.compile(
    rf"""(?P<key>{SECRET_WORDS}|token)\w{{0,30}}["']?\s{{0,20}}:(?=\s)\s{{0,20}}(?P<value>.+)""",
    re.IGNORECASE | re.DOTALL,
)
URI_KEYS = frozenset({"uri", "src_uri", "dest_uri", "src-uri", "dest-uri", "url"})
#: Fields of a user that are not secret.
PUBLIC_USER_FIELDS = frozenset(
    {"tags", "password_file", "hashing_algorithm", "permissions", "topic_permissions"}
)


def is_secret_key(key: str) -> bool:
    """Whether a key of the file has a secret value, judged by its name."""
    return is_secret_name(key) and key not in PUBLIC_USER_FIELDS


def hide(text: str, spans: Iterable[Span]) -> str:
    """The text with asterisks in place of the spans."""
    for start, end in spans:
        start, end = max(start, 0), min(end, len(text))
        if start < end:
            text = text[:start] + "*" * (end - start) + text[end:]
    return text


def redact(text: str) -> str:
    """A line of a file that cannot be parsed as YAML, with everything that looks like a password masked."""
    found = _SECRET_TEXT.search(text)
    if found and not only_variables(found["value"].strip("\"'}] ")):
        text = hide(text, [found.span("value")])
    return hide(text, (match.span() for match in URL_CREDENTIALS.finditer(text)))


def mask_urls(text: str) -> str:
    """The text with the credentials of every URL in it masked."""
    return URL_CREDENTIALS.sub(MASK, text) if "://" in text else text


def is_secret_name(name: str) -> bool:
    """Whether a name suggests a secret value."""
    return _SECRET_NAME.search(name) is not None


def redacted(value: Any, name: str = "") -> Any:
    """Plain data with everything masked that looks like a secret or is from a variable; `${NAME}` is no secret.

    Parameters:
      value: The data.
      name: The key of the value; list items have the key of their list.
    """
    if isinstance(value, Mapping):
        return {mask_urls(str(key)): redacted(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [redacted(item, name) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, FromVariable):
        return MASK
    if value is not None and is_secret_name(name) and not (isinstance(value, str) and only_variables(value)):
        return MASK
    if not isinstance(value, str):
        return value
    found = _AUTHORIZATION.fullmatch(value)
    return f"{found['scheme']} {MASK}" if found else mask_urls(value)


def redacted_repr(value: Any) -> str:
    """A short `repr` for error messages, with everything that looks like a secret masked."""
    return reprlib.repr(redacted(value))


def secret_values(value: Any, name: str = "") -> Any:
    """Plain data in which every text that looks like a secret, by its key or as a URL, is a `Secret`.

    Parameters:
      value: The data.
      name: The key of the value; list items have the key of their list.
    """
    if isinstance(value, Mapping):
        return {str(key): secret_values(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [secret_values(item, name) for item in value]
    if isinstance(value, str) and (is_secret_name(name) or mask_urls(value) != value):
        return Secret(str(value))
    return value


def has_password(written: str) -> bool:
    """Whether a URL, as written in the file, contains a password or a default for one."""
    return any(
        not only_variables(found["password"] or found["option"]) for found in _URL_PASSWORD.finditer(written)
    )


def is_bearer_token(written: str) -> bool:
    """Whether a text is the value of an `Authorization` header with its token written out."""
    found = _BEARER.fullmatch(written)
    if found is None or only_variables(found["token"]):
        return False
    return len(found["token"]) >= _LONG or any(letter.isdigit() for letter in found["token"])


def literal_secret(value: Any, name: str = "") -> str | None:
    """The key of the first secret, or default for one, that is written in plain data of the file; None without one.

    Parameters:
      value: The data.
      name: The key of the value; list items have the key of their list.
    """
    if isinstance(value, Mapping):
        found = (literal_secret(item, str(key)) for key, item in value.items())
    elif isinstance(value, list | tuple):
        found = (literal_secret(item, name) for item in value)
    else:
        written = value.written if isinstance(value, Interpolated) else value
        return name if isinstance(written, str) and is_secret_text(written, name) else None
    return next((key for key in found if key is not None), None)


def is_secret_text(written: str, name: str) -> bool:
    """Whether a text is a secret, by the name of its key or as a URL; `Bearer ${TOKEN}` contains none."""
    if is_secret_name(name):
        return not only_variables(_SCHEME.sub("", written, count=1))
    return has_password(written) or is_bearer_token(written)
