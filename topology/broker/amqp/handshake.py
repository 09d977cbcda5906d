"""What a broker says of itself to whoever connects by AMQP, before it asks who that is."""

from __future__ import annotations

import socket
import ssl
from typing import NamedTuple

from pika import exceptions, frame, spec

from ...errors import BrokerError, Unreachable
from ..address import Address, Host
from ..tls import tls_context
from .connect import connection_failure

#: The first octet of a broker's first words: a method frame, or the header of the protocol that it speaks instead.
_BEGINNINGS = (bytes([spec.FRAME_METHOD]), b"A")

#: Seconds that a broker under load may take to speak, once it took the connection.
_SPEAKS_WITHIN = 10.0


class Greeting(NamedTuple):
    """A broker's own words.

    Parameters:
      cluster_name: The name that all nodes of its cluster share; empty if it does not say.
      version: Such as `4.3.6`; empty if it does not say.
    """

    cluster_name: str
    version: str


def greeting(address: Address, *, timeout: float) -> Greeting:
    """What the first host that answers says.

    Parameters:
      address: Where; neither user nor vhost are told to it.
      timeout: Seconds to wait for each host to take the connection; once it has, it is waited for longer.

    Raises:
      Unreachable: None of them answers by AMQP.
    """
    failure: BrokerError = Unreachable(f"{address} names no host")
    for host in address.hosts:
        try:
            return _greeting(address, host, timeout)
        except (OSError, exceptions.AMQPError) as error:
            failure = connection_failure(address, address.vhost or "/", host, error)
    raise failure


def _greeting(address: Address, host: Host, timeout: float) -> Greeting:
    with socket.create_connection((host.name, host.port), timeout) as plain:
        plain.settimeout(_SPEAKS_WITHIN)
        if not address.secure:
            return _read(plain)
        name = address.tls.server_name or host.name
        with tls_context(address.tls).wrap_socket(plain, server_hostname=name) as secured:
            return _read(secured)


def _read(connection: socket.socket | ssl.SSLSocket) -> Greeting:
    connection.sendall(frame.ProtocolHeader().marshal())
    received, found = b"", None
    while found is None:
        part = connection.recv(65536)
        if not part:
            raise ConnectionResetError
        received += part
        if received[:1] not in _BEGINNINGS:
            raise exceptions.InvalidFrameError("neither a method nor a protocol header")
        _, found = frame.decode_frame(received)
    start = getattr(found, "method", None)
    properties = start.server_properties if isinstance(start, spec.Connection.Start) else {}
    return Greeting(str(properties.get("cluster_name", "")), str(properties.get("version", "")))
