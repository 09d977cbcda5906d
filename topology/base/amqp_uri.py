"""Parses the AMQP URI of a link as RabbitMQ does (`uri_parser.erl`, `amqp_uri.erl`), without quoting it in errors.

Stricter where RabbitMQ accepts a URI that it does not read as its author meant: it takes `pa:ss` for the password `pa`,
ignores what follows a `#`, and takes a `/` at the end for a vhost without a name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .finding import did_you_mean

#: What to do about a character that must be encoded.
ENCODE = (
    "percent-encode user name, password and vhost, also in the variables that the URI is made of, such as with "
    "`urllib.parse.quote(password, safe='')` in Python"
)
_WHITESPACE = re.compile(r"[\x00-\x20\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+(%25\w+)?\]|[^\[\]:]*)(?::(?P<port>.*))?", re.DOTALL)
_NOT_STRICT = re.compile(r"[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]")

_NUMBERS = frozenset(
    {
        "channel_max",
        "frame_max",
        "heartbeat",
        "connection_timeout",
        "depth",
        "idle_time_out",
        "max_frame_size",
        "transfer_limit_margin",
    }
)
_CHOICES = {
    "verify": ("verify_peer", "verify_none"),
    "fail_if_no_peer_cert": ("true", "false"),
    "sasl": ("plain", "external", "anon"),
}
#: Query options of AMQP 0-9-1 and AMQP 1.0 URIs; RabbitMQ ignores or refuses all others.
_OPTIONS = (
    _NUMBERS
    | _CHOICES.keys()
    | {
        "auth_mechanism",
        "cacertfile",
        "certfile",
        "container_id",
        "hostname",
        "keyfile",
        "password",
        "server_name_indication",
        "versions",
    }
)


class BadUri(ValueError):
    """A URI that RabbitMQ refuses, or does not read as it is meant.

    Parameters:
      message: What must be different: `must …`, without any part of the URI.
      help: What to do about it, or None.
    """

    def __init__(self, message: str, help_: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.help = help_


@dataclass(frozen=True, slots=True)
class AmqpUri:
    """The parts of a URI.

    Parameters:
      host: The host and port; empty for the broker itself.
      path: The path, with its `/`; empty for the vhost of the link.
      strict: Whether it has only characters that RFC 3986 allows, as AMQP 1.0 requires.
    """

    host: str
    path: str
    strict: bool


def parse_amqp_uri(uri: str) -> AmqpUri:
    """The parts of a URI that RabbitMQ accepts.

    Raises:
      BadUri: RabbitMQ refuses the URI, or does not read it as it is meant.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme not in ("amqp", "amqps"):
        raise BadUri("must begin with amqp:// or amqps://")
    if _WHITESPACE.search(rest):
        raise BadUri("must have spaces and control characters percent-encoded, a space as `%20`", ENCODE)
    if "#" in rest:
        raise unencoded("#")
    if _BAD_ESCAPE.search(rest):
        raise unencoded("%")
    match = re.match(r"([^/?]*)([^?]*)(?:\?(.*))?", rest, re.DOTALL)
    assert match is not None
    authority, path, query = match[1], match[2], match[3] or ""
    if "@" in path + query:
        raise misplaced_at("/" if path else "?")
    userinfo, _, host = authority.rpartition("@")
    for character in ("@", ":"):
        if userinfo.count(character) > (character == ":"):
            raise unencoded(character)
    _check_host(host, secure=scheme == "amqps")
    if "/" in path[1:]:
        raise BadUri("must have `/` in its vhost percent-encoded as `%2F`", ENCODE)
    _check_query(query)
    return AmqpUri(host, path, strict=not _NOT_STRICT.search(rest))


def unencoded(character: str) -> BadUri:
    """The error for a character that must be encoded."""
    return BadUri(f"must have `{character}` percent-encoded as `%{ord(character):02X}`", ENCODE)


def misplaced_at(separator: str) -> BadUri:
    """The error for an `@` after the `/` or `?` with which, for a parser, user name and password end."""
    message = (
        f"has an `@` after a `{separator}`: in a user name or password, `{separator}` is written "
        f"`%{ord(separator):02X}`, and elsewhere `@` is written `%40`"
    )
    return BadUri(message, ENCODE)


def _check_host(text: str, *, secure: bool) -> None:
    match = _HOST_PORT.fullmatch(text)
    if "," in text:
        raise BadUri("must have a single host", "for several hosts, write a list of URIs")
    if match is None:
        raise BadUri("must have a valid host and port", ENCODE)
    port = match["port"]
    if port is not None and not (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536):
        raise BadUri("must have a port from 1 to 65535", ENCODE)
    if not match["host"] and (secure or port is not None):
        raise BadUri("must have a host", "without a host, port and TLS, `amqp://` is the broker itself")


def _check_query(query: str) -> None:
    for option in filter(None, query.split("&")):
        name, separator, value = option.partition("=")
        if name not in _OPTIONS:
            known = "valid options: " + ", ".join(sorted(_OPTIONS))
            raise BadUri("must not have unknown options after the `?`", did_you_mean(name, _OPTIONS) or known)
        if not separator:
            raise BadUri(f"must have a value for its option `{name}`")
        if name in _NUMBERS and not re.fullmatch(r"[0-9]{1,18}", value):
            raise BadUri(f"must have a whole number as its option `{name}`")
        choices = _CHOICES.get(name)
        if choices and value not in choices:
            raise BadUri(f"must have one of {', '.join(choices)} as its option `{name}`")
