"""HTTP client of the management API: pooled connections, failover between hosts, and errors from responses."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Mapping
from typing import Any

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InsecureRequestWarning,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from ...base.known_secrets import NO_SECRETS, KnownSecrets
from ...base.requirements import set_tags
from ...errors import AccessRefused, BrokerError, NotFound, Rejected, Unreachable, UsageError
from ..address import Address, Host
from ..reasons import RETRY, is_unavailable, plain_reason, rejected, wrong_password
from ..tls import handshake_failure, tls_context
from .endpoint import endpoint

#: Maximum number of concurrent requests, and of pooled connections.
CONNECTIONS = 16

_CONNECT_TIMEOUT = 10.0
_ENABLE = (
    "enable it with `rabbitmq-plugins enable rabbitmq_management`, pass `--management`, or apply `--via amqp`"
)


class Http:
    """Sends JSON requests to the first management host of an address that answers. Thread-safe.

    Parameters:
      address: Hosts and credentials.
      timeout: Seconds to wait for a response, once connected.
      retries: How often all hosts are tried again if none can be connected to.
    """

    def __init__(self, address: Address, *, timeout: float = 60.0, retries: int = 2) -> None:
        self._address = address
        self._management = address.management
        self._timeout = urllib3.Timeout(connect=min(timeout, _CONNECT_TIMEOUT), read=timeout)
        self._retries = retries
        self._current = 0
        #: The tags of the user, once known.
        self.tags: frozenset[str] = frozenset()
        if address.external and not self._management.user:
            raise UsageError(
                "the management API has no login by client certificate",
                "pass `--management https://USER:PASSWORD@HOST`, or use `--via amqp`",
            )
        credentials = f"{self._management.user}:{self._management.password.reveal()}"
        self._headers = {
            "Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}",
            "Content-Type": "application/json",
            "User-Agent": "routectl",
        }
        context = tls_context(address.tls) if self._management.secure else None
        if not address.tls.verify:
            urllib3.disable_warnings(InsecureRequestWarning)
        server_name = address.tls.server_name
        self._endpoints = [
            endpoint(host, context, server_name, CONNECTIONS) for host in self._management.hosts
        ]

    def close(self) -> None:
        """Closes every connection."""
        for each in self._endpoints:
            each.pool.close()

    def get(self, path: str) -> Any:
        """Reads a path; see `request`."""
        return self.request("GET", path, f"read `{path.partition('?')[0]}`")

    def request(
        self, method: str, path: str, what: str, body: Any = None, *, secrets: KnownSecrets = NO_SECRETS
    ) -> Any:
        """Sends a request and returns the JSON of the response, or None if it is empty.

        Parameters:
          method: GET, PUT, POST or DELETE; all are idempotent here, and repeated if a connection breaks or
            the broker answers 500.
          path: Path after `/api`, percent-encoded.
          what: The operation, for error messages, such as `create queue ...`.
          body: Document to send as JSON.
          secrets: The secrets in `body`, which no error contains.

        Raises:
          Unreachable: No host answers in time, or what answers is not a management API.
          AccessRefused: Authentication failed, or a tag or permission is missing.
          NotFound: The vhost or the object does not exist.
          Rejected: The broker rejects the request; the error has its reason.
          BrokerError: Any other error response.
        """
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        response = self._send(method, path, data)
        if response.status >= 300:
            raise self._failure(response, what, secrets)
        if not response.data:
            return None
        try:
            return json.loads(response.data)
        except ValueError:
            raise self.not_management_api() from None

    def _send(self, method: str, path: str, data: bytes | None) -> urllib3.BaseHTTPResponse:
        """Tries the hosts in turn, starting with the last one that answered, with longer pauses after each round."""
        attempts = [attempt for attempt in range(self._retries + 1) for _ in self._endpoints]
        start = self._current
        for position, attempt in enumerate(attempts):
            index = (start + position) % len(self._endpoints)
            if attempt and position % len(self._endpoints) == 0:
                time.sleep(0.25 * 2 ** (attempt - 1))
            try:
                response = self._endpoints[index].pool.urlopen(
                    method,
                    f"{self._endpoints[index].base}{self._management.prefix}/api{path}",
                    body=data,
                    headers=self._headers,
                    timeout=self._timeout,
                    retries=False,
                    assert_same_host=False,  # the host of the pool may be a proxy
                )
            except HTTPError as error:
                if position == len(attempts) - 1 or not _may_repeat(error):
                    raise self._unreachable(index, error) from None
            else:
                self._current = index
                if response.status != 500 or position == len(attempts) - 1:
                    return response
                # RabbitMQ sometimes answers 500 for a moment: 4.0 when it lists objects that are being deleted, 4.3
                # when it deletes an upstream set.
        raise AssertionError("the last attempt returns or raises")

    def not_management_api(self) -> Unreachable:
        """The error for a response that is not from RabbitMQ."""
        return Unreachable(
            f"{self._management} is not RabbitMQ's management API",
            "check host, port and path of the management URL",
        )

    def _unreachable(self, index: int, error: HTTPError) -> Unreachable:
        host = self._management.hosts[index]
        url = self._management.url(host)
        match error:
            case ProxyError():
                return Unreachable(
                    f"the proxy {self._endpoints[index].proxy} does not connect to {url}",
                    "check HTTP_PROXY and HTTPS_PROXY, or add the host to NO_PROXY to connect without it",
                )
            case NameResolutionError():
                return Unreachable(f"the host `{host.name}` of {url} is unknown", "check its name in the URL")
            case SSLError():
                return handshake_failure(url, error)
            case ReadTimeoutError():
                return Unreachable(
                    f"{url} did not answer in time", "try again: a broker under load may need longer"
                )
            case NewConnectionError() if self._amqp_answers(host):
                return Unreachable(
                    f"the broker on `{host.name}` is running, but its management API ({url}) is not", _ENABLE
                )
            case NewConnectionError():
                return Unreachable(
                    f"cannot connect to {url}", "check host and port, and that the broker is running"
                )
            case ConnectTimeoutError():
                return Unreachable(f"connecting to {url} timed out", "check host, port and firewall")
        return Unreachable(f"{url} closed the connection", "check the port, and whether it is http or https")

    def _amqp_answers(self, host: Host) -> bool:
        return any(_listens(broker) for broker in self._address.hosts if broker.name == host.name)

    def _failure(self, response: urllib3.BaseHTTPResponse, what: str, secrets: KnownSecrets) -> BrokerError:
        """The error for an unsuccessful response."""
        try:
            document = json.loads(response.data)
        except ValueError:
            document = None
        if not isinstance(document, Mapping) or "error" not in document:
            return self._error_from_status(response.status, what)
        reason = plain_reason(document, secrets)
        match response.status:
            case 401 | 403:
                return self._access(reason, what)
            case 404:
                if is_unavailable(reason):
                    return rejected(reason, what)
                return self._missing(document["error"], reason, what)
            case 400 | 405 | 409 | 412 | 413:
                return rejected(reason, what)
            case status:
                return BrokerError(f"cannot {what}: the broker answered {status}, {reason}", RETRY)

    def _error_from_status(self, status: int, what: str) -> BrokerError:
        if status in (401, 403):
            return self._access("", what)
        if status == 413:
            return Rejected(f"cannot {what}", "the request is larger than the broker allows")
        if status <= 404:
            return self.not_management_api()
        return BrokerError(f"cannot {what}: the broker answered {status}", RETRY)

    def _missing(self, error: str, reason: str, what: str) -> BrokerError:
        if reason == "vhost_not_found":
            return NotFound(f"cannot {what}: the vhost does not exist", "create it, or check its name")
        if reason != "Not Found":
            return NotFound(f"cannot {what}: {reason}", "create it first, or check its name")
        if error == "not_found":
            # RabbitMQ 4.3 answers this for an existing vhost in which the user has no permissions.
            return self._access("no access to virtual host", what)
        return NotFound(f"cannot {what}: the object does not exist", "check the vhost and the name")

    def _access(self, reason: str, what: str) -> AccessRefused:
        user = self._management.user
        reason = reason.lower()
        if reason in ("", "login failed", "not_authorized"):
            return wrong_password(user, self._management)
        if "not management user" in reason:
            return AccessRefused(
                f"user `{user}` may not use the management API",
                f"add the tag `management` to those that it has: `rabbitmqctl set_user_tags {user} TAG…` replaces all",
            )
        if "virtual host" in reason:
            return AccessRefused(
                f"cannot {what}: user `{user}` has no permissions in the vhost",
                f"grant them with `rabbitmqctl set_permissions -p VHOST {user} '.*' '.*' '.*'`",
            )
        for words, tag in (("not administrator", "administrator"), ("access object", "policymaker")):
            if words in reason:
                return AccessRefused(
                    f"cannot {what}: user `{user}` lacks the tag `{tag}`",
                    set_tags(user, {*self.tags, tag}),
                )
        return AccessRefused(
            f"cannot {what}: user `{user}` lacks a permission for it in the vhost",
            "declaring needs `configure`, binding `write` on the destination and `read` on the source",
        )


def _may_repeat(error: HTTPError) -> bool:
    """Whether it may work on another host, or on the same one a moment later."""
    return isinstance(error, NewConnectionError | ConnectTimeoutError | ProtocolError)


def _listens(host: Host) -> bool:
    try:
        with socket.create_connection(host, timeout=1.0):
            return True
    except OSError:
        return False
