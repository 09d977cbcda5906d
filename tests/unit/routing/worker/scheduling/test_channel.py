"""What a worker's channels send in one turn of its event loop is one write."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from amqp.method_framing import frame_writer

from routectl.routing.worker.scheduling.channel import AsynchronousChannel, Outbox


class Connection:
    """A connection of py-amqp that records what is written."""

    confirm_publish, frame_max, bytes_sent = False, 131072, 0

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.channels: dict[int, Any] = {}
        self.transport = SimpleNamespace(write=lambda data: self.writes.append(bytes(data)))
        self.frame_writer = frame_writer(self, self.transport)

    def _get_free_channel_id(self) -> int:
        return len(self.channels) + 1

    def lose(self) -> None:
        self.transport.write = Mock(side_effect=OSError("lost"))


def new_hub() -> Any:
    """Celery's event loop."""
    return SimpleNamespace(on_tick=set())


def turn(hub: Any) -> None:
    """The event loop is about to wait."""
    for callback in tuple(hub.on_tick):
        callback()


def use(channels: list[AsynchronousChannel]) -> None:
    for channel in channels:
        channel.get("low")
        channel.basic_ack(2**40)
        channel.give_back(SimpleNamespace(delivery_tag=3))


def test_gets_acks_and_returns_of_all_channels_are_one_write_of_the_same_bytes() -> None:
    hub, collected, plain = new_hub(), Connection(), Connection()
    outbox = Outbox(hub, collected)
    outbox.open()
    use([AsynchronousChannel(collected, Mock(), Mock(), outbox) for _ in range(2)])
    assert collected.writes == []
    turn(hub)
    use([AsynchronousChannel(plain, Mock(), Mock(), Outbox(None, plain)) for _ in range(2)])
    assert len(plain.writes) == 6  # green pools have no event loop
    assert collected.writes == [b"".join(plain.writes)]
    turn(hub)
    assert len(collected.writes) == 1


def test_other_methods_are_sent_at_once_after_what_was_collected() -> None:
    hub, connection = new_hub(), Connection()
    outbox = Outbox(hub, connection)
    outbox.open()
    channel = AsynchronousChannel(connection, Mock(), Mock(), outbox)
    channel.basic_ack(1)
    channel.stop_listening("low", "tag")
    assert [b"tag" in write for write in connection.writes] == [False, True]


@pytest.mark.parametrize("lost", [False, True])
def test_a_closed_outbox_keeps_nothing_back(lost: bool) -> None:
    hub, connection = new_hub(), Connection()
    outbox = Outbox(hub, connection)
    outbox.open()
    channel = AsynchronousChannel(connection, Mock(), Mock(), outbox)
    channel.basic_ack(1)
    if lost:
        connection.lose()
        with pytest.raises(OSError, match="lost"):
            outbox.close()
    else:
        outbox.close()
        channel.basic_ack(2)
        assert len(connection.writes) == 2
    assert hub.on_tick == set()
