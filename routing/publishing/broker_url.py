"""Checks an app's broker URLs, and those of results, before kombu parses them: its errors quote the password.

kombu parses a URL as one of HTTP, so that `amqp://user:pa#ss@host` has the port `pa`, and takes one without a scheme
for a host name. Here the error says which character to encode, and quotes nothing of the URL but its scheme.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kombu.transport import TRANSPORT_ALIASES, get_transport_cls

from ...topology.base.amqp_uri import ENCODE, BadUri, misplaced_at, unencoded
from ...topology.base.finding import did_you_mean
from ...topology.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SETTINGS = ("broker_url", "broker_read_url", "broker_write_url", "result_backend")
#: The schemes of result backends whose URLs Celery parses as it does a broker's.
_BACKENDS = ("redis://", "rediss://", "sentinel://")

_METHODS = {"connection_for_read": "broker_read_url", "connection_for_write": "broker_write_url"}

_URL = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]*)://(?P<authority>[^/?]*)(?P<rest>.*)", re.DOTALL)


def check_app(app: Any) -> None:
    """Checks the URLs of brokers and results that are known of an app, without loading its configuration.

    Parameters:
      app: The Celery app.

    Raises:
      UsageError: kombu cannot parse one. The message does not contain the password.
    """
    for name in _SETTINGS:
        own = getattr(app.conf, name) if app.configured else app._preconf.get(name)
        value = os.environ.get(f"CELERY_{name.upper()}") or own
        if name != "result_backend" or str(value).startswith(_BACKENDS):
            _check(app, name, value)


def wrap_connections(app: Any) -> None:
    """Makes an app check a broker URL before it connects: it may be set after `configure`. Idempotent.

    Parameters:
      app: The Celery app, used before or not.
    """
    for method, name in _METHODS.items():
        if method not in vars(app):
            setattr(app, method, _checking(app, method, name))


def _checking(app: Any, method: str, name: str) -> Callable[..., Any]:
    def connect(url: Any = None, **options: Any) -> Any:
        _check(app, name if app.conf.get(name) else "broker_url", url or getattr(app.conf, name))
        return getattr(type(app), method)(app, url, **options)

    return connect


def _check(app: Any, name: str, value: Any) -> None:
    try:
        for url in _urls(value):
            _check_url(url)
    except BadUri as error:
        help_ = f"; {error.help}" if error.help else ""
        raise UsageError(f"`{name}` of app `{app.main}` {error.message}{help_}") from None


def _urls(value: Any) -> Iterator[str]:
    """The URLs of a setting: one, several with `;` between them, or a list of those."""
    for text in [value] if isinstance(value, str) else value or ():
        if isinstance(text, str):
            first, *others = text.split(";")
            if others and "@" in others[0] and "://" not in others[0] and "@" not in first:
                raise BadUri("has a `;`, which separates brokers: in a password, it is written `%3B`", ENCODE)
            yield from (first, *others)


def _check_url(url: str) -> None:
    match = _URL.match(url.strip())
    if match is None:
        if "@" in url or "://" in url:
            raise BadUri("must begin with a scheme, as in `amqp://user:password@host`")
        return  # a host name
    scheme = match["scheme"].lower()
    transport, _, opaque = scheme.partition("+")
    if transport not in TRANSPORT_ALIASES and "." not in transport:
        known = did_you_mean(transport, TRANSPORT_ALIASES) or "RabbitMQ has `amqp` and `amqps`"
        raise BadUri(f"has the scheme `{transport}`, which Celery does not know", known)
    if opaque or not _is_parsed(transport):
        return
    if "#" in url:
        raise unencoded("#")
    if "@" in match["rest"] and "@" not in match["authority"]:
        raise misplaced_at(match["rest"][0])
    for bracket in "[]":
        if bracket in match["authority"].rpartition("@")[0]:
            raise unencoded(bracket)
    try:
        urlsplit(f"http://{match['authority']}{match['rest']}").port  # noqa: B018 as kombu does
    except ValueError:
        raise BadUri("must have a valid host and port", ENCODE) from None


def _is_parsed(transport: str) -> bool:
    """Whether kombu parses the URLs of a transport, instead of the transport itself."""
    try:
        return not get_transport_cls(transport).can_parse_url
    except Exception:  # noqa: BLE001 loading a transport without its library may raise anything
        return False
