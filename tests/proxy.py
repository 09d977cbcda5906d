"""A TCP proxy in front of a broker, for networks that stop carrying packets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Proxy:
    """Forwards connections to a broker. While it is stalled, nothing comes back, and no connection is closed.

    Parameters:
      url: The broker's AMQP URL.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._both = False
        self._open = threading.Event()
        self._open.set()
        self._sockets: list[socket.socket] = []
        self.url = url.replace(f":{parts.port}", f":{self._server.getsockname()[1]}")
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def stalled(self, *, both: bool = False) -> Iterator[None]:
        """Lets nothing through to the clients until the block ends, and with `both` nothing to the broker either."""
        self._both = both
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def cut(self) -> None:
        """Closes the connections of now; others can be made."""
        sockets, self._sockets = self._sockets, []
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def resume(self) -> None:
        """Lets everything through again."""
        self._open.set()

    def close(self) -> None:
        """Closes all connections."""
        self._open.set()
        for each in (self._server, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                try:
                    broker = socket.create_connection(self._target)
                except OSError:  # it is down
                    client.close()
                    continue
                self._sockets += [client, broker]
                for source, target, back in ((client, broker, False), (broker, client, True)):
                    threading.Thread(target=self._copy, args=(source, target, back), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if back or self._both:
                    self._open.wait()
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
