"""Checks whether a broker answers."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

import urllib3

_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"


def amqp_answers(port: int, host: str = "127.0.0.1", timeout: float = 2.0) -> bool:
    """Whether an AMQP 0-9-1 server answers.

    Parameters:
      port: Its TCP port.
      host: Its name or address.
      timeout: Seconds to wait for the connection, and for its first byte.
    """
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            connection.sendall(_PROTOCOL_HEADER)
            return connection.recv(1) == b"\x01"
    except OSError:
        return False


def accepts(port: int, host: str = "127.0.0.1", timeout: float = 2.0) -> bool:
    """Whether a server accepts TCP connections.

    Parameters:
      port: Its TCP port.
      host: Its name or address.
      timeout: Seconds to wait for the connection.
    """
    try:
        socket.create_connection((host, port), timeout=timeout).close()
    except OSError:
        return False
    return True


def overview_version(management: str, timeout: float = 5.0) -> str | None:
    """The RabbitMQ version that the management API reports, or None if it does not answer.

    Parameters:
      management: URL of the API's root, with user and password.
      timeout: Seconds to wait.
    """
    parts = urllib3.util.parse_url(management)
    headers = urllib3.make_headers(basic_auth=parts.auth)
    with urllib3.PoolManager(retries=False, timeout=timeout) as pool:
        try:
            url = f"{parts.scheme}://{parts.netloc}/api/overview"
            response = pool.request("GET", url, headers=headers)
            version = json.loads(response.data)["rabbitmq_version"] if response.status == 200 else None
        except (urllib3.exceptions.HTTPError, ValueError, KeyError):
            return None
    return str(version) if version else None


def wait_until(condition: Callable[[], bool], timeout: float, pause: float = 0.1) -> bool:
    """Whether a condition becomes true in time.

    Parameters:
      condition: Called repeatedly.
      timeout: Seconds to keep trying.
      pause: Seconds between two calls.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
