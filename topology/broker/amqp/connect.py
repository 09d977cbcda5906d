"""Opens AMQP connections, and explains why one fails."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pika
from pika import exceptions
from pika.adapters.utils.connection_workflow import AMQPConnectorException

from ...errors import AccessRefused, BrokerError, NotFound, Unreachable
from ..address import Address, Host
from ..reasons import RETRY, tidy_reason, wrong_password
from ..tls import handshake_failure, tls_context

#: Seconds to connect to a host; and times as long for the whole handshake, which a broker under load may delay.
_TIMEOUT, _HANDSHAKE = 10.0, 3


def connect(
    address: Address, vhost: str, *, retries: int = 2, settings: Mapping[str, Any] | None = None
) -> pika.BlockingConnection:
    """A connection to the first host that answers.

    Parameters:
      address: Hosts and credentials.
      vhost: The vhost.
      retries: How often all hosts are tried again, with growing pauses, if none can be connected to.
      settings: pika's parameters that the URL does not change, such as `heartbeat`.

    Raises:
      Unreachable, AccessRefused, NotFound: See `Amqp`.
    """
    hosts = parameters(address, vhost, settings or {})
    failure: BrokerError = Unreachable(f"{address} has no host")
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(0.25 * 2 ** (attempt - 1))
        for options in hosts:
            try:
                return pika.BlockingConnection(options)
            except (exceptions.AMQPError, AMQPConnectorException, OSError, ssl.SSLError) as error:
                failure = connection_failure(address, vhost, Host(options.host, options.port), error)
                if not _may_repeat(error):
                    raise failure from None
    raise failure from None


def parameters(
    address: Address, vhost: str, fixed: Mapping[str, Any] = MappingProxyType({})
) -> list[pika.ConnectionParameters]:
    """pika's connection parameters for each host, in order; `fixed` are those that the URL does not change."""
    context = tls_context(address.tls) if address.secure else None
    credentials: Any = (
        pika.credentials.ExternalCredentials()
        if address.external
        else pika.PlainCredentials(address.user, address.password.reveal())
    )
    options = dict(address.options)
    timeout = options.pop("connection_timeout", _TIMEOUT * 1000) / 1000
    settings: dict[str, Any] = {
        "socket_timeout": timeout,
        "stack_timeout": timeout * _HANDSHAKE,
        "client_properties": {"connection_name": "routectl"},
        **options,
        **fixed,
    }
    return [
        pika.ConnectionParameters(
            host=host.name,
            port=host.port,
            virtual_host=vhost,
            credentials=credentials,
            ssl_options=None
            if context is None
            else pika.SSLOptions(context, address.tls.server_name or host.name),
            **settings,
        )
        for host in address.hosts
    ]


def connection_failure(address: Address, vhost: str, host: Host, error: BaseException) -> BrokerError:
    """The error for a connection that could not be opened."""
    url = address.url(host)
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, exceptions.ConnectionClosedByBroker):
            return _closed(cause.reply_code, cause.reply_text, url, address, vhost)
        if isinstance(cause, exceptions.AuthenticationError):
            return _login_refused(address, url)
        if isinstance(cause, exceptions.ProbableAuthenticationError | exceptions.ProbableAccessDeniedError):
            # pika only guesses from how far it got, but puts the broker's reply, if there was one, into its message.
            words = re.search(r"\((\d+)\) ['\"](.*)['\"]", str(cause))
            return _closed(int(words[1]), words[2], url, address, vhost) if words else _dropped(url)
        if isinstance(cause, socket.gaierror):
            return Unreachable(f"the host `{host.name}` of {url} is unknown", "check its name in the URL")
        if isinstance(cause, ssl.SSLError):
            return handshake_failure(url, cause)
        if isinstance(cause, ConnectionRefusedError):
            return Unreachable(
                f"cannot connect to {url}", "check host and port, and that the broker is running"
            )
    if any("timeout" in type(cause).__name__.lower() or isinstance(cause, TimeoutError) for cause in causes):
        return Unreachable(f"connecting to {url} timed out", "check host, port and firewall")
    if address.secure:
        # With TLS 1.3, a missing client certificate is rejected after the handshake, and pika hides that alert.
        return Unreachable(
            f"{url} closed the connection",
            "check the port, and whether the server requires a client certificate",
        )
    return Unreachable(
        f"{url} does not speak AMQP",
        "check the port, whether it is amqp or amqps, and that a broker runs behind it",
    )


def _user(address: Address) -> str:
    return "the user of the client certificate" if address.external else f"user `{address.user}`"


def _login_refused(address: Address, url: str) -> AccessRefused:
    if not address.external:
        return wrong_password(address.user, url)
    return AccessRefused(
        f"{url} refuses the login by client certificate",
        "enable the plugin rabbitmq_auth_mechanism_ssl, list EXTERNAL in `auth_mechanisms`, and check that the user "
        "whom the certificate names exists",
    )


_GRANT = "grant it with `rabbitmqctl set_permissions`, or check the vhost"


def _closed(code: int, text: str, url: str, address: Address, vhost: str) -> BrokerError:
    reason = tidy_reason(text)
    if code == 403:
        return _login_refused(address, url)
    if code == 530 and reason.endswith("not found"):
        return NotFound(f"the vhost `{vhost}` does not exist on {url}", "create it, or check its name")
    if "limit" in reason:
        return Unreachable(
            f"{url} accepts no further connection: {reason}", "close connections, or raise the limit"
        )
    if reason.endswith("is down"):
        restart = f"`rabbitmqctl restart_vhost -p {vhost}`"
        return Unreachable(
            f"the vhost `{vhost}` is down on {url}", f"restart it with {restart}, or use another node"
        )
    if code == 530:
        return AccessRefused(f"{url} denies {_user(address)} access to vhost `{vhost}`: {reason}", _GRANT)
    return Unreachable(f"{url} closed the connection: {reason}", RETRY)


def _dropped(url: str) -> Unreachable:
    return Unreachable(
        f"{url} closed the connection during the handshake",
        "check the port, and that the broker behind it is running and has started completely",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and the errors that pika wrapped in it, outermost first."""
    yield error
    inner = [*error.args, getattr(error, "exception", None), *getattr(error, "exceptions", ())]
    for cause in inner:
        if isinstance(cause, BaseException):
            yield from _causes(cause)


def _may_repeat(error: BaseException) -> bool:
    """Whether it may work on another host, or on the same one a moment later."""
    final = (
        exceptions.ConnectionClosedByBroker,
        exceptions.AuthenticationError,
        exceptions.ProbableAuthenticationError,
        exceptions.ProbableAccessDeniedError,
        ssl.SSLError,
    )
    return not any(isinstance(cause, final) for cause in _causes(error))
