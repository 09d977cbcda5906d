"""Reads what a broker reports about itself before authentication, in the AMQP method `connection.start`."""

from __future__ import annotations

import socket
import ssl
from typing import NamedTuple

from pika import exceptions, frame, spec

from ...errors import BrokerError, Unreachable
from ..address import Address, Host
from ..tls import tls_context
from .connect import connection_failure

#: First byte of a broker's response: of a method frame, or of a header with the protocol version it supports.
_FIRST_BYTES = (bytes([spec.FRAME_METHOD]), b"A")

#: Seconds in which a broker must respond after accepting the connection; one under load may be slow.
_RESPONSE_TIMEOUT = 30.0


class Greeting(NamedTuple):
    """Server properties of a broker.

    Parameters:
      cluster_name: Name of its cluster; empty if not reported.
      version: Such as `4.3.6`; empty if not reported.
    """

    cluster_name: str
    version: str


def greeting(address: Address, *, timeout: float) -> Greeting:
    """The server properties of the first host that answers.

    Parameters:
      address: The hosts; user and vhost are not sent.
      timeout: Seconds to wait for the connection to each host; the response may take longer.

    Raises:
      Unreachable: No host answers over AMQP.
    """
    failure: BrokerError = Unreachable(f"{address} has no host")
    for host in address.hosts:
        try:
            return _greeting(address, host, timeout)
        except (OSError, exceptions.AMQPError) as error:
            failure = connection_failure(address, address.vhost or "/", host, error)
    raise failure


def _greeting(address: Address, host: Host, timeout: float) -> Greeting:
    with socket.create_connection((host.name, host.port), timeout) as plain:
        plain.settimeout(_RESPONSE_TIMEOUT)
        if not address.secure:
            return _read(plain)
        name = address.tls.server_name or host.name
        with tls_context(address.tls).wrap_socket(plain, server_hostname=name) as secured:
            return _read(secured)


def _read(connection: socket.socket | ssl.SSLSocket) -> Greeting:
    connection.sendall(frame.ProtocolHeader().marshal())
    received, found = b"", None
    while found is None:
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionResetError
        received += chunk
        if received[:1] not in _FIRST_BYTES:
            raise exceptions.InvalidFrameError("neither a method nor a protocol header")
        _, found = frame.decode_frame(received)
    start = getattr(found, "method", None)
    properties = start.server_properties if isinstance(start, spec.Connection.Start) else {}
    return Greeting(str(properties.get("cluster_name", "")), str(properties.get("version", "")))
