"""Pipelined declarations and deletions of bindings: over several connections, without waiting for each response.

When the broker rejects a pipelined declaration, it closes the channel without reporting which one it was, and
discards the rest. So each lane sends a batch and then a call with a response. If the response arrives, the
whole batch is done; if not, its objects are written again one by one, which is harmless for those that are done.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pika import ConnectionParameters, exceptions
from pika.adapters.select_connection import IOLoop, SelectConnection

from ...base.progress import Counter, CountProgress
from ...base.resources import Kind, Resource, queue_key
from ...errors import BrokerError, Refused, Unreachable
from ..address import Address
from ..writes import before
from .connect import parameters
from .connection import ENCODING_ERRORS, Amqp, declare, unbind

if TYPE_CHECKING:
    from pika.channel import Channel
    from pika.connection import Connection


#: Maximum number of connections; RabbitMQ handles each of them in separate processes.
CONNECTIONS = 16

_SMALL_BATCH, _BATCH = 10, 50
_MAX_LOSSES = 3
_CLOSE_TIMEOUT = 5.0


class Failure(NamedTuple):
    """An object that could not be written, and why."""

    resource: Resource
    error: BrokerError | Refused


class _Operation(NamedTuple):
    """What is done to each object.

    Parameters:
      verb: A verb.
      send: Does it on a channel, without waiting.
      again: Does it and waits, to learn the broker's reason.
    """

    verb: str
    send: Callable[[Any, Resource], None]
    again: Callable[[Amqp, Resource], None]


_CREATE = _Operation("create", declare, Amqp.declare)
_UNBIND = _Operation("delete", unbind, Amqp.unbind)


def declare_all(
    address: Address,
    vhost: str,
    resources: Iterable[Resource],
    *,
    connections: int = CONNECTIONS,
    progress: CountProgress | None = None,
) -> list[Failure]:
    """Declares exchanges, queues and bindings of one vhost, in the order of their dependencies.

    Parameters:
      address: Hosts and credentials.
      vhost: The vhost.
      resources: What to declare, in any order.
      connections: Maximum number of connections.
      progress: Called after each batch with the number of declared objects.

    Returns:
      The objects that could not be created, each with the broker's reason.

    Raises:
      Unreachable, AccessRefused, NotFound: See `Amqp`; some objects may have been created.
    """
    resources = list(resources)
    stages = _stages(resources, connections)
    return _write_all(address, vhost, stages, _CREATE, connections, Counter(len(resources), progress))


def unbind_all(
    address: Address,
    vhost: str,
    bindings: Sequence[Resource],
    report: Counter,
    *,
    connections: int = CONNECTIONS,
) -> list[Failure]:
    """Deletes bindings of one vhost; like `declare_all`. One that does not exist is deleted already.

    Parameters:
      address: Hosts and credentials.
      vhost: The vhost.
      bindings: What to delete.
      report: Counts them.
      connections: Maximum number of connections.
    """
    if not bindings:
        return []
    batches = _batches(([binding] for binding in bindings), _batch_size(len(bindings), connections))
    return _write_all(address, vhost, [batches], _UNBIND, connections, report)


def _write_all(
    address: Address,
    vhost: str,
    stages: Sequence[list[list[Resource]]],
    operation: _Operation,
    connections: int,
    report: Counter,
) -> list[Failure]:
    failures: list[Failure] = []
    with Amqp(address, vhost) as amqp:
        lanes = min(connections, max(map(len, stages), default=0))
        with contextlib.closing(_Pipeline(address, vhost, lanes, operation, report)) as pipeline:
            for stage in stages:
                for resource in pipeline.run(stage):
                    try:
                        operation.again(amqp, resource)
                    except Unreachable:
                        raise
                    except BrokerError as error:
                        failures.append(Failure(resource, error))
                    report.add()
    return failures


def _stages(resources: Sequence[Resource], connections: int) -> list[list[list[Resource]]]:
    """Batches in three stages: exchanges; queues, each followed by its first bindings; the other bindings."""
    exchanges = [resource for resource in resources if resource.key.kind is Kind.EXCHANGE]
    bindings = [resource for resource in resources if resource.key.kind is Kind.BINDING]
    queues = {resource.key: [resource] for resource in resources if resource.key.kind is Kind.QUEUE}
    others: list[Resource] = []
    for binding in bindings:
        _, destination_type, destination, _, _ = binding.key.name
        group = queues.get(queue_key(binding.key.vhost, destination)) if destination_type == "queue" else None
        (others if group is None or len(group) > _BATCH else group).append(binding)
    size = _batch_size(len(resources), connections)
    stages = ([[exchange] for exchange in exchanges], queues.values(), [[other] for other in others])
    return [_batches(groups, size) for groups in stages if groups]


def _batch_size(count: int, connections: int) -> int:
    """Small enough that every connection gets several batches."""
    return min(max(count // (2 * connections), _SMALL_BATCH), _BATCH)


def _batches(groups: Iterable[Sequence[Resource]], size: int) -> list[list[Resource]]:
    """Fills batches with whole groups."""
    batches: list[list[Resource]] = []
    for group in groups:
        if not batches or len(batches[-1]) + len(group) > size:
            batches.append([])
        batches[-1].extend(group)
    return batches


class _Pipeline:
    """Lanes that share one event loop and one queue of batches."""

    def __init__(
        self, address: Address, vhost: str, lanes: int, operation: _Operation, report: Counter
    ) -> None:
        self.operation = operation
        self.report = report
        self.loop = IOLoop()
        self.pending: deque[list[Resource]] = deque()
        self.suspects: list[Resource] = []
        self.stopped: Unreachable | None = None
        self._closing = False
        hosts = parameters(address, vhost)
        self._lanes = [_Lane(self, hosts) for _ in range(lanes)]

    def run(self, batches: Iterable[list[Resource]]) -> list[Resource]:
        """Writes all batches, and returns the objects whose outcome is unknown.

        Raises:
          Unreachable: the apply was stopped; what had been sent is done.
        """
        self.pending.extend(batches)
        for lane in self._lanes:
            lane.feed()
        self._wait()
        if self.stopped is not None:
            raise self.stopped
        suspects = [*self.suspects, *(resource for batch in self.pending for resource in batch)]
        self.suspects.clear()
        self.pending.clear()
        return suspects

    def close(self) -> None:
        """Closes every connection."""
        self._closing = True
        for lane in self._lanes:
            lane.close()
        self.loop.call_later(_CLOSE_TIMEOUT, self._abandon)
        self._wait()
        self.loop.close()

    def _abandon(self) -> None:
        """Stops waiting for a broker that does not confirm the close."""
        for lane in self._lanes:
            lane.closed = True
        self.check()

    def check(self) -> None:
        """Stops the event loop if there is nothing left to wait for."""
        if self._idle():
            self.loop.stop()

    def _wait(self) -> None:
        while not self._idle():
            self.loop.start()

    def _idle(self) -> bool:
        alive = [lane for lane in self._lanes if not lane.closed]
        if self._closing:
            return not alive
        return not any(lane.batch for lane in alive) and not (self.pending and alive)


class _Lane:
    """One connection with one channel, and the batch that it is writing."""

    def __init__(self, pipeline: _Pipeline, hosts: Sequence[ConnectionParameters]) -> None:
        self.batch: list[Resource] = []
        self.closed = False
        self._pipeline = pipeline
        self._hosts = hosts
        self._losses = 0
        self._closing = False
        self._channel: Channel | None = None
        self._connect(0)

    def _connect(self, position: int) -> None:
        def failed(connection: Connection, error: BaseException) -> None:
            if self._closing or position + 1 == len(self._hosts):
                self._end()
            else:
                self._connect(position + 1)

        self._connection = SelectConnection(
            self._hosts[position],
            on_open_callback=self._open_channel,
            on_open_error_callback=failed,
            on_close_callback=self._on_connection_closed,
            custom_ioloop=self._pipeline.loop,
        )

    def _open_channel(self, connection: Connection) -> None:
        if self._closing:
            connection.close()
        else:
            connection.channel(on_open_callback=self._on_channel_open)

    def _on_channel_open(self, channel: Channel) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._on_channel_closed)
        self.feed()

    def feed(self) -> None:
        """Sends the next batch if the previous one is done."""
        while self._channel is not None and not self.batch and self._pipeline.pending:
            self.batch = self._pipeline.pending.popleft()
            try:
                for resource in self.batch:
                    before(self._pipeline.operation.verb, resource.key)
                    self._pipeline.operation.send(self._channel, resource)
            except ENCODING_ERRORS:
                self._suspect()
                continue
            except Unreachable as stop:
                self._pipeline.stopped = stop
                self._pipeline.pending.clear()
            self._channel.basic_qos(callback=self._on_answer)
        self._pipeline.check()

    def _on_answer(self, _: object) -> None:
        self._losses = 0
        self._pipeline.report.add(len(self.batch))
        self.batch = []
        self.feed()

    def _suspect(self) -> None:
        self._pipeline.suspects.extend(self.batch)
        self.batch = []

    def _on_channel_closed(self, _: Channel, reason: Exception) -> None:
        self._channel = None
        self._suspect()
        if isinstance(reason, exceptions.ChannelClosedByBroker) and self._connection.is_open:
            self._open_channel(self._connection)
        self._pipeline.check()

    def _on_connection_closed(self, _: Connection, reason: BaseException) -> None:
        self._channel = None
        self._suspect()
        self._losses += 1
        if self._closing or self._losses > _MAX_LOSSES:
            self._end()
        else:
            self._connect(0)
            self._pipeline.check()

    def _end(self) -> None:
        self.closed = True
        self._pipeline.check()

    def close(self) -> None:
        """Closes the connection, or has it closed once it is open, since pika cannot do so before."""
        self._closing = True
        if self._connection.is_open:
            self._connection.close()
