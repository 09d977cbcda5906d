"""A connection that receives and sends messages as they are on the wire, at the pace of its user.

pika decodes the properties of each message and encodes them anew, which loses the types of headers and fails on
fractions. Here they stay bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from pika import ConnectionParameters, exceptions, frame, spec
from pika.adapters.select_connection import IOLoop, SelectConnection
from pika.adapters.utils.selector_ioloop_adapter import SelectorIOServicesAdapter

#: A received message: its delivery tag, its encoded properties and its body.
OnMessage = Callable[[int, bytes, bytes], None]

#: A confirmed message, or all up to it: the number of the message, and whether it is several.
OnConfirm = Callable[[int, bool], None]

_FRAME = struct.Struct(">BHL")
_CONTENT = struct.Struct(">HHQ")
_HEADER = struct.Struct(">BHLHHQ")
_CONFIRM = struct.Struct(">QB")
_DELIVER = struct.pack(">I", spec.Basic.Deliver.INDEX)
_ACK = struct.pack(">I", spec.Basic.Ack.INDEX)

#: Bytes that are read from a socket at once; pika's own 4096 are not even four messages of 1 KiB.
_READ = 128 << 10
_END = bytes([spec.FRAME_END])


class PausableServices(SelectorIOServicesAdapter):
    """pika's access to sockets, which can stop reading from them, so that the broker has to wait.

    Parameters:
      loop: The event loop.
    """

    def __init__(self, loop: IOLoop) -> None:
        super().__init__(loop)
        self._readers: dict[int, Callable[[], None]] = {}
        self._paused = False

    def set_reader(self, fd: int, on_readable: Callable[[], None]) -> None:
        """Called by pika to have a socket watched."""
        self._readers[fd] = on_readable
        if not self._paused:
            super().set_reader(fd, on_readable)

    def remove_reader(self, fd: int) -> bool:
        """Called by pika to have a socket no longer watched."""
        known = self._readers.pop(fd, None) is not None
        return bool(super().remove_reader(fd)) or known

    @property
    def paused(self) -> bool:
        """Whether nothing is read."""
        return self._paused

    def pause(self) -> None:
        """Stops reading."""
        if not self._paused:
            self._paused = True
            for fd in self._readers:
                super().remove_reader(fd)

    def resume(self) -> None:
        """Reads again."""
        if self._paused:
            self._paused = False
            for fd, on_readable in self._readers.items():
                super().set_reader(fd, on_readable)

    def read_once(self) -> None:
        """Reads what has arrived, such as heartbeats, and stays paused."""
        if self._paused:
            for on_readable in list(self._readers.values()):
                on_readable()


def publish_method(channel: int, queue: str) -> bytes:
    """The frame that begins a message to a queue, through the default exchange and with `mandatory`.

    Parameters:
      channel: Number of the channel.
      queue: The queue.
    """
    method = spec.Basic.Publish(exchange="", routing_key=queue, mandatory=True)  # type: ignore[no-untyped-call]
    return bytes(frame.Method(channel, method).marshal())


class MessageConnection(SelectConnection):
    """A connection that hands on deliveries and confirms without decoding them, and sends messages in few writes."""

    on_message: OnMessage | None = None
    on_confirm: OnConfirm | None = None
    _tag = 0
    _missing = -1
    _properties = b""
    _pieces: list[bytes]

    def message_frames(self, method: bytes, properties: bytes, body: bytes) -> bytes:
        """The frames of a message, to be sent by `send`.

        Parameters:
          method: Result of `publish_method`.
          properties: The encoded properties.
          body: The body.
        """
        channel, size = method[1] << 8 | method[2], self._body_max_length
        length = _CONTENT.size + len(properties)
        header = _HEADER.pack(spec.FRAME_HEADER, channel, length, spec.BasicProperties.INDEX, 0, len(body))
        frames = [method, header, properties, _END]
        for at in range(0, len(body), size):
            piece = body if len(body) <= size else body[at : at + size]
            frames += (_FRAME.pack(spec.FRAME_BODY, channel, len(piece)), piece, _END)
        return b"".join(frames)

    def send(self, frames: list[bytes]) -> None:
        """Sends frames in one write."""
        self._output_marshaled_frames([b"".join(frames)])

    def _proto_connection_made(self, transport: Any) -> None:
        """Called by pika with its access to the socket."""
        transport._MAX_RECV_BYTES = _READ
        super()._proto_connection_made(transport)

    def _on_data_available(self, data_in: bytes) -> None:
        """Called by pika with what was read from the socket."""
        if self.on_message is None and self.on_confirm is None:
            super()._on_data_available(data_in)
            return
        buffer = self._frame_buffer + data_in
        at = 0
        while len(buffer) - at > spec.FRAME_HEADER_SIZE:
            kind, _, size = _FRAME.unpack_from(buffer, at)
            begin, end = at + spec.FRAME_HEADER_SIZE, at + spec.FRAME_HEADER_SIZE + size
            if end >= len(buffer):
                break
            if buffer[end : end + 1] != _END:
                raise exceptions.InvalidFrameError("Invalid FRAME_END marker")
            if not self._take(kind, buffer[begin:end]):
                _, decoded = frame.decode_frame(buffer[at : end + 1])
                self.bytes_received += end + 1 - at
                assert decoded is not None  # the frame is complete
                self._process_frame(decoded)
            else:
                self.bytes_received += end + 1 - at
            at = end + 1
        self._frame_buffer = buffer[at:]

    def _take(self, kind: int, payload: bytes) -> bool:
        """Takes a frame that is a confirm or belongs to a delivery; returns whether it does."""
        if kind == spec.FRAME_METHOD:
            if payload[:4] == _ACK and self.on_confirm is not None:
                number, flags = _CONFIRM.unpack_from(payload, 4)
                self.on_confirm(number, bool(flags & 1))
                return True
            if payload[:4] != _DELIVER or self.on_message is None:
                return False
            (self._tag,) = struct.unpack_from(">Q", payload, 5 + payload[4])
            self._missing = 0
        elif self._missing < 0 or kind == spec.FRAME_HEARTBEAT:
            return False
        elif kind == spec.FRAME_HEADER:
            _, _, self._missing = _CONTENT.unpack_from(payload)
            self._properties, self._pieces = payload[_CONTENT.size :], []
            self._finish()
        else:
            self._pieces.append(payload)
            self._missing -= len(payload)
            self._finish()
        return True

    def _finish(self) -> None:
        if not self._missing and self.on_message is not None:
            body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._missing = -1
            self.on_message(self._tag, self._properties, body)


def open_connection(
    hosts: Sequence[ConnectionParameters],
    services: Any,
    *,
    opened: Callable[[Any], None],
    failed: Callable[[ConnectionParameters, BaseException], None],
    closed: Callable[[BaseException], None],
) -> None:
    """Opens a connection to the first host that answers.

    Parameters:
      hosts: The hosts.
      services: The event loop, or pika's services on it.
      opened: Called with the open connection.
      failed: Called with the last host, and why it cannot be connected to.
      closed: Called when an open connection has ended.
    """
    first, *others = hosts

    def next_host(_: MessageConnection, error: BaseException) -> None:
        if others:
            open_connection(others, services, opened=opened, failed=failed, closed=closed)
        else:
            failed(first, error)

    MessageConnection(
        first,
        on_open_callback=opened,
        on_open_error_callback=next_host,
        on_close_callback=lambda _, reason: closed(reason),
        custom_ioloop=services,
    )
