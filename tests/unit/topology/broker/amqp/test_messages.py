"""Messages as they are on the wire: sent in frames that pika reads, and read from pieces of any size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import frame, spec

from routectl.topology.broker.amqp.messages import MessageConnection, publish_method

PROPERTIES = b"".join(spec.BasicProperties(delivery_mode=2, headers={"task": "tasks.run"}).encode())


def connection(most: int = 8) -> MessageConnection:
    """A connection without a socket, whose frames have so many bytes of a body at most."""
    made = object.__new__(MessageConnection)
    made._body_max_length, made._frame_buffer, made.bytes_received = most, b"", 0
    return made


def decoded(data: bytes) -> list[frame.Frame]:
    frames = []
    while data:
        size, found = frame.decode_frame(data)
        assert found is not None
        frames.append(found)
        data = data[size:]
    return frames


@pytest.mark.parametrize("body", [b"", b"x", b"12345678", b"123456789", b"x" * 100])
def test_a_message_is_sent_in_frames_that_pika_reads(body: bytes) -> None:
    data = connection().message_frames(publish_method(258, "high"), PROPERTIES, body)
    method, header, *pieces = decoded(data)
    assert {each.channel_number for each in (method, header, *pieces)} == {258}
    assert (method.method.routing_key, method.method.mandatory) == ("high", True)
    assert header.body_size == len(body)
    assert header.properties.headers == {"task": "tasks.run"}
    assert all(1 <= len(piece.fragment) <= 8 for piece in pieces)
    assert b"".join(piece.fragment for piece in pieces) == body


def delivered(tag: int, body: bytes) -> bytes:
    """A delivery: the frames of a message, after the method that announces it."""
    method = frame.Method(1, spec.Basic.Deliver("consumer", tag, False, "tasks", "high")).marshal()
    publish = publish_method(1, "high")
    return method + connection().message_frames(publish, PROPERTIES, body)[len(publish) :]


@given(st.lists(st.integers(1, 40), max_size=30))
def test_deliveries_and_confirms_are_read_from_pieces_of_any_size(sizes: list[int]) -> None:
    got: list[object] = []
    read = connection()
    read.on_message = lambda *message: got.append(message)
    read.on_confirm = lambda *confirm: got.append(confirm)
    bodies = [b"", b"x", b"x" * 20]
    data = b"".join(delivered(tag, body) for tag, body in enumerate(bodies, 1))
    data += frame.Method(1, spec.Basic.Ack(7, True)).marshal() + frame.Method(1, spec.Basic.Ack(8)).marshal()
    total = len(data)
    for size in sizes:
        read._on_data_available(data[:size])
        data = data[size:]
    read._on_data_available(data)
    messages = [(tag, PROPERTIES, body) for tag, body in enumerate(bodies, 1)]
    assert got == [*messages, (7, True), (8, False)]
    assert read.bytes_received == total
