"""HTTP to a management API: pooled connections, failover between hosts, and every failure as one clear error.

Knows nothing of queues or exchanges; `management` does.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from ..errors import AccessRefused, BrokerError, NotFound, Rejected, Unreachable
from .address import Address, Host, Tls

#: Requests that may be under way at once; as many connections are kept.
CONNECTIONS = 16

_CONNECT_TIMEOUT = 10.0
_CONNECTING = (NewConnectionError, ConnectTimeoutError)
_ENABLE = "enable it with `rabbitmq-plugins enable rabbitmq_management`, name its URL, or apply with `--via amqp`"


class Http:
    """JSON over HTTP to whichever of an address's management hosts answers. Thread-safe.

    Parameters:
      address: Where, and who we are.
      timeout: Seconds to wait for an answer, once connected.
      retries: How often all hosts are tried again before giving up connecting.
    """

    def __init__(self, address: Address, *, timeout: float = 60.0, retries: int = 2) -> None:
        self._address = address
        self._management = address.management
        self._timeout = timeout
        self._retries = retries
        self._current = 0
        self._headers = urllib3.make_headers(
            basic_auth=f"{self._management.user}:{self._management.password.reveal()}",
            accept_encoding="identity",
            user_agent="routectl",
        ) | {"Accept": "application/json", "Content-Type": "application/json"}
        context = tls_context(address.tls) if self._management.secure else None
        self._pools = [self._pool(host, context) for host in self._management.hosts]

    def _pool(self, host: Host, context: ssl.SSLContext | None) -> urllib3.HTTPConnectionPool:
        if context is None:
            return urllib3.HTTPConnectionPool(host.name, host.port, maxsize=CONNECTIONS, block=True)
        name = self._address.tls.server_name
        return urllib3.HTTPSConnectionPool(
            host.name, host.port, maxsize=CONNECTIONS, block=True, ssl_context=context,
            server_hostname=name, assert_hostname=None if name is None else name,
        )  # fmt: skip

    def close(self) -> None:
        """Closes every connection."""
        for pool in self._pools:
            pool.close()

    def get(self, path: str) -> Any:
        """The JSON that a path answers with."""
        return self.request("GET", path, f"read `{path.partition('?')[0]}`")

    def request(
        self, method: str, path: str, what: str, body: Any = None, *, timeout: float | None = None
    ) -> Any:
        """One request, and the JSON of its answer (None if that is empty).

        Parameters:
          method: GET, PUT, POST or DELETE; all are taken to be idempotent, and repeated if a connection breaks.
          path: From `/api` on, percent-encoded.
          what: What is being tried, for messages: `create queue ...`.
          body: To be sent as JSON.
          timeout: Seconds to wait for the answer; the client's own if None.

        Raises:
          Unreachable: No host answers, or not in time.
          AccessRefused: Wrong credentials, or a missing tag or permission.
          NotFound: The vhost or the object does not exist (404).
          Rejected: The broker refuses what was asked, with its reason.
          BrokerError: Anything else that is not success.
        """
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        response = self._send(method, path, data, self._timeout if timeout is None else timeout)
        if response.status < 300:
            return self._decode(response)
        raise self._failure(response, what)

    def _send(self, method: str, path: str, data: bytes | None, timeout: float) -> urllib3.BaseHTTPResponse:
        """Tries the hosts in turn, the last good one first; waits a little longer after each round."""
        error: Unreachable | None = None
        for attempt in range(self._retries + 1):
            if attempt:
                time.sleep(0.25 * 2 ** (attempt - 1))
            for offset in range(len(self._pools)):
                index = (self._current + offset) % len(self._pools)
                try:
                    response = self._pools[index].urlopen(
                        method,
                        f"{self._management.prefix}/api{path}",
                        body=data,
                        headers=self._headers,
                        timeout=urllib3.Timeout(connect=min(timeout, _CONNECT_TIMEOUT), read=timeout),
                        retries=False,
                    )
                except HTTPError as failure:
                    error = self._unreachable(self._management.hosts[index], failure)
                    if not _may_repeat(failure):
                        raise error from None
                else:
                    self._current = index
                    return response
        assert error is not None
        raise error from None

    def _decode(self, response: urllib3.BaseHTTPResponse) -> Any:
        if not response.data:
            return None
        try:
            return json.loads(response.data)
        except ValueError:
            raise self._stranger() from None

    def _stranger(self) -> BrokerError:
        return Unreachable(
            f"{self._management} is not RabbitMQ's management API",
            "check host, port and path of the management URL",
        )

    def _unreachable(self, host: Host, error: HTTPError) -> Unreachable:
        url = self._management.url(host)
        if isinstance(error, NameResolutionError):
            return Unreachable(f"the host `{host.name}` of {url} is unknown", "check the host in the URL, or the resolver")
        if isinstance(error, SSLError):
            return Unreachable(f"no TLS with {url}: {tls_reason(error)}", TLS_HINT)
        if isinstance(error, ReadTimeoutError):
            return Unreachable(f"{url} did not answer in time", "try again, or raise the timeout")
        if isinstance(error, ConnectTimeoutError):
            return Unreachable(f"{url} cannot be reached: the connection timed out", "check host, port and firewall")
        if isinstance(error, NewConnectionError):
            return self._refused(host, url)
        return Unreachable(
            f"{url} closed the connection", "check that it is the management port, and http or https as it should be"
        )

    def _refused(self, host: Host, url: str) -> Unreachable:
        """Nothing listens: is only the plugin missing?"""
        brokers = [broker for broker in self._address.hosts if broker.name == host.name]
        if any(_listens(broker) for broker in brokers):
            return Unreachable(f"the broker on `{host.name}` runs, but no management API answers at {url}", _ENABLE)
        return Unreachable(f"nothing answers at {url}", "check host and port, and that the broker runs")

    def _failure(self, response: urllib3.BaseHTTPResponse, what: str) -> BrokerError:
        """An answer that is not success, as an error."""
        try:
            document = json.loads(response.data)
        except ValueError:
            document = None
        if not isinstance(document, Mapping) or "error" not in document:
            return self._nonsense(response, what)
        reason = plain_reason(document)
        match response.status:
            case 401 | 403:
                return self._access(reason, what)
            case 404:
                return NotFound(f"cannot {what}: the broker does not know it", "check the vhost and the name")
            case 400 | 405 | 409 | 412 | 413:
                return Rejected(f"cannot {what}", reason)
            case status:
                return BrokerError(f"cannot {what}: the broker answered {status}, {reason}", "see the broker's log")

    def _nonsense(self, response: urllib3.BaseHTTPResponse, what: str) -> BrokerError:
        if response.status == 413:
            return Rejected(f"cannot {what}", "the request is larger than the broker allows")
        if response.status >= 500:
            return BrokerError(f"cannot {what}: the broker answered {response.status}", "see the broker's log")
        if response.status in (401, 403):
            return self._access("", what)
        return self._stranger()

    def _access(self, reason: str, what: str) -> AccessRefused:
        user = self._management.user
        lower = reason.lower()
        if "login failed" in lower or not reason:
            return AccessRefused(
                f"{self._management} refuses user `{user}`: wrong user name or password",
                "check the credentials in the URL; `guest` may log in from localhost only",
            )
        if "not management user" in lower:
            return AccessRefused(
                f"user `{user}` may not use the management API",
                f"give it a tag: `rabbitmqctl set_user_tags {user} management`",
            )
        if "virtual host" in lower or "vhost" in lower:
            return AccessRefused(
                f"cannot {what}: user `{user}` has no permissions in the vhost",
                f"grant them with `rabbitmqctl set_permissions -p VHOST {user} '.*' '.*' '.*'`",
            )
        return AccessRefused(f"cannot {what}: user `{user}` lacks a tag or a permission: {reason}")


TLS_HINT = "check the CA file, the client certificate and the host name, and that the port speaks TLS"


def tls_context(tls: Tls) -> ssl.SSLContext:
    """The TLS settings as Python takes them.

    Raises:
      Unreachable: A file is missing, or is not what it should be.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        if tls.cert_file is not None:
            context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_password)
    except (OSError, ValueError) as error:
        files = ", ".join(f"`{name}`" for name in (tls.ca_file, tls.cert_file, tls.key_file) if name)
        raise Unreachable(f"the TLS files {files} cannot be used: {tls_reason(error)}", "check paths and PEM format") from None
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def tls_reason(error: BaseException) -> str:
    """What OpenSSL says, without its source lines."""
    text = str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error)
    cause = error.args[0] if error.args and isinstance(error.args[0], BaseException) else error
    verify = getattr(cause, "verify_message", None)
    return str(verify or text).replace("_", " ").lower()


def plain_reason(document: Mapping[str, Any]) -> str:
    """The broker's own words, without the noise around them."""
    reason = document.get("reason", document["error"])
    text = reason if isinstance(reason, str) else json.dumps(reason, ensure_ascii=False)
    return tidy_reason(text)


def tidy_reason(text: str) -> str:
    """`PRECONDITION_FAILED - inequivalent arg ...` without AMQP's name for the reply code, on one line."""
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r"^(?:\d+ )?[A-Z]+(?:_[A-Z]+)* - ", "", text).rstrip(".")


def _may_repeat(error: HTTPError) -> bool:
    """Whether another host, or the same one a moment later, may do better."""
    if isinstance(error, NameResolutionError | ProtocolError):
        return True
    return isinstance(error, _CONNECTING)


def _listens(host: Host) -> bool:
    try:
        with socket.create_connection(host, timeout=1.0):
            return True
    except OSError:
        return False
